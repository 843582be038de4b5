/* An API whose users log in with a password, and show a signed token from then on.
 *   nexus run --allow-net=:3000 app.c
 *   curl --json '{"name":"ada","password":"correct horse"}' localhost:3000/login
 * and, with the token that it answers, GET /me with the field "authorization: Bearer TOKEN". */
#include <nexus.h>

#define ISSUER "https://example.com"

/* Made when the program starts: a restart ends all sessions. A file that nx_key_read reads keeps
 * them. */
static nx_ed25519_secret signing;
static nx_ed25519_public checking;

static struct user {
    const char *name, *password; /* the password only for this example: its hash is what one has */
    nx_bytes hash;
} users[] = {{.name = "ada", .password = "correct horse"}, {.name = "grace", .password = "hopper"}};
enum { USERS = sizeof users / sizeof *users };

static nx_err login(nx_request *req, nx_response *res)
{
    nx_json body;
    nx_bytes name, password, token;
    NX_TRY(nx_request_json(req, &body));
    NX_TRY(nx_json_need(body, &name, "name"));
    NX_TRY(nx_json_need(body, &password, "password"));
    const struct user *user = NULL;
    for (size_t i = 0; i < USERS; i++)
        if (nx_bytes_is(name, users[i].name)) user = &users[i];
    /* Who is not there takes as long as who is. */
    bool matches;
    NX_TRY(nx_password_verify(password, user ? user->hash : users[0].hash, &matches));
    if (!user || !matches) return nx_response_error(res, 401, "name or password is wrong");
    NX_TRY(nx_jwt_sign(nx_jwt_signer_eddsa(&signing), nx_obj("iss", ISSUER, "sub", name), &token,
                       .lifetime = NX_S(3600)));
    return nx_response_json(res, nx_obj("token", token));
}

/* Lets in who has a token of ours. */
static nx_err check(nx_request *req, nx_bytes token, void *context)
{
    nx_json claims;
    nx_bytes name;
    (void)context;
    NX_TRY(nx_jwt_verify(nx_jwt_verifier_eddsa(&checking), token, &claims, .issuer = ISSUER));
    NX_TRY(nx_json_need(claims, &name, "sub"));
    return nx_request_set_user(req, name);
}

static nx_err me(nx_request *req, nx_response *res)
{
    return nx_response_json(res, nx_obj("name", nx_request_user(req)));
}

int main(void)
{
    signing = nx_ed25519_new();
    checking = nx_ed25519_public_of(&signing);
    for (size_t i = 0; i < USERS; i++)
        NX_TRY(nx_password_hash(nx_str(users[i].password), &users[i].hash));
    nx_http_server *server = nx_http_server_new(.port = 3000);
    nx_http_route(server, "POST", "/login", login);
    nx_http_router *known = nx_http_group(server, "/");
    nx_http_bearer_auth(known, .check = check);
    nx_http_route(known, "GET", "/me", me);
    return nx_http_listen(server);
}
