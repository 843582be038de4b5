/* JSON Web Tokens: the RFCs' own, both ways, and what must not be taken. */
#include <nexus/encode.h>
#include <nexus/jwt.h>
#include <nexus/test.h>

/* Made by another program, for this test. */
static const char rsa_pem[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA8ldgStgDfwpf8IntvPNk\n"
                              "Tb5pPPJJIT5d/K7jPCf66stYKFry57O/nTiMnTD74gGSlT/hx2jv7Mi6a3Bh+Eem\n"
                              "AS2qwkkTQh7OgBLbmuYksoqMIMYl0RwWDwbfZyzSzyedajV2usEK15i4yukeiFZE\n"
                              "b7BSbqepvjjIgFE3XdL/BBteqaiK+DLdxDxlqu7lz8NS6relUxkWNF1BB3ysVRqy\n"
                              "eghPxfITbb77wYQbZ5HzwWbeGC2ilGXELpmDWTy6nIF7G2jpdCg1K51PlwNN+3X2\n"
                              "ArEK8OF6qUGCCjIn/cIzerlBnVGEtFcy5rQyg0i3saf+3QcRn4lM3BlWX4lk4e+j\n"
                              "JQIDAQAB\n"
                              "-----END PUBLIC KEY-----\n";
static const char rs256_token[] =
    "eyJhbGciOiAiUlMyNTYiLCAidHlwIjogIkpXVCIsICJraWQiOiAicnNhLTEifQ.eyJzdWIiOiAiMTciLCAiZ"
    "XhwIjogNDAwMDAwMDAwMH0.CyIZa5wNcgQvzCvTSQk_5868EAng2W0UqJK3lWciNeQUxgX0h_OgMxY7Bb3_K"
    "fhyJBsZO5TBM3cpMsyxq7jUNpIUjQdYAqnDSSX1kttP4Pr5F2b0pi0GdyiJzcXelm-LR-7U3Ea2j7RRIGTvr"
    "tC_oxsEfMa3nHoN6X-QCzth8FC25FvJDOii82QJZ0TLCcbtuJwtI9lLjz_s0BRLXf0Wa-3lBuWoAxFfiLRKI"
    "JDVTDlO4UGJyAKn8u6DUxkylG04esceEk68cl7Xfi-EKC_D16Uwf7jivVZ7TO-nrYuYvVuVodC8oEROinm0l"
    "GkuYGBzsyOgZ7FMT4E3evDD-9PX-w";
static const char ps256_token[] =
    "eyJhbGciOiAiUFMyNTYiLCAidHlwIjogIkpXVCIsICJraWQiOiAicnNhLTEifQ.eyJzdWIiOiAiMTciLCAiZ"
    "XhwIjogNDAwMDAwMDAwMH0.EEuiC74-eFWx4ekTzRd20NAE1VnRpaa7CVMXPH-4XAY_LMIvESiWhH2eYkr9A"
    "q-pSoxu6b04iU8hGh11RrZvrFu0diTPMtG5NshYpTDHHvDhiV055IqbNpoqxzFP9RmmcV0oj7WP-0JHaY5Yh"
    "hfysoopZ1h5go662AiK4S79ThXJgMB47uzqSeGIGANbJFJubZKp4Reps7IzTqeC8dkkS1YSaUptXOw-55kXA"
    "cfde9FtVrAh8KG2nWLZLzObmrZw6vUu3P-5dYREs-fOiWhPLA4jbyTsALF-Z58GsvmsNbRK-BliEaqCDEuCw"
    "2dPjhWwHrYcoIKlDqblijD0elCgVA";

#define AT(seconds) ((nx_time)(seconds)*1000000000)

static const char secret[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static nx_jwt_verifier hs256(void)
{
    return nx_jwt_verifier_hs256(nx_slice(secret, 32));
}

/* A token that hs256 verifies, of a header and claims that are any text. */
static nx_bytes made(const char *header, const char *claims)
{
    nx_bytes h, c, s;
    nx_digest digest;
    nx_require_ok(nx_base64_encode(nx_str(header), &h, .url = true, .no_padding = true));
    nx_require_ok(nx_base64_encode(nx_str(claims), &c, .url = true, .no_padding = true));
    const char *text = nx_format("%s.%s", h.data, c.data);
    nx_require_ok(nx_mac_of(NX_SHA256, nx_slice(secret, 32), nx_str(text), &digest));
    nx_require_ok(nx_base64_encode(nx_digest_bytes(&digest), &s, .url = true, .no_padding = true));
    return nx_str(nx_format("%s.%s", text, s.data));
}

static nx_bytes claiming(const char *claims)
{
    return made("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", claims);
}

NX_TEST("tokens of RFC 7515 are read")
{
    static const char hs256_token[] =
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
        "cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    static const char es256_token[] =
        "eyJhbGciOiJFUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
        "cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6"
        "NU1Q";
    static const char es256_key[] = "{\"kty\":\"EC\",\"crv\":\"P-256\","
                                    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                                    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}";
    nx_bytes key;
    nx_json claims;
    nx_p256_public p256;
    nx_require_ok(nx_base64_decode(nx_str("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75"
                                          "aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
                                   &key, .url = true, .no_padding = true));
    nx_require_ok(nx_jwt_verify(nx_jwt_verifier_hs256(key), nx_str(hs256_token), &claims,
                                .issuer = "joe", .now = AT(1300819379)));
    nx_expect(nx_json_bool(nx_json_get(claims, "http://example.com/is_root"), false));
    nx_require_ok(nx_key_read(nx_str(es256_key), &p256));
    nx_require_ok(nx_jwt_verify(nx_jwt_verifier_es256(&p256), nx_str(es256_token), &claims,
                                .now = AT(1300819379)));
    nx_expect_eq(nx_json_string(nx_json_get(claims, "iss"), ""), "joe");
}

NX_TEST("tokens that others have signed with RSA are read")
{
    nx_rsa_public key;
    nx_json claims;
    nx_bytes kid;
    nx_require_ok(nx_key_read(nx_str(rsa_pem), &key));
    nx_require_ok(nx_jwt_verify(nx_jwt_verifier_rs256(&key), nx_str(rs256_token), &claims));
    nx_expect_eq(nx_json_string(nx_json_get(claims, "sub"), ""), "17");
    nx_require_ok(nx_jwt_verify(nx_jwt_verifier_ps256(&key), nx_str(ps256_token), &claims));
    nx_expect_err(NX_EPROTO,
                  nx_jwt_verify(nx_jwt_verifier_ps256(&key), nx_str(rs256_token), &claims));
    nx_require_ok(nx_jwt_key_id(nx_str(rs256_token), &kid));
    nx_expect_eq(kid, "rsa-1");
}

NX_TEST("what is signed is verified, with each algorithm")
{
    nx_ed25519_secret ed = nx_ed25519_new();
    nx_ed25519_public ed_public = nx_ed25519_public_of(&ed);
    nx_p256_secret p256;
    nx_p256_public p256_public;
    nx_require_ok(nx_p256_new(&p256));
    nx_require_ok(nx_p256_public_of(&p256, &p256_public));
    nx_bytes long_secret = nx_slice(secret, 64);
    const struct {
        nx_jwt_signer signer;
        nx_jwt_verifier verifier;
    } all[] = {{nx_jwt_signer_hs256(long_secret), nx_jwt_verifier_hs256(long_secret)},
               {nx_jwt_signer_hs384(long_secret), nx_jwt_verifier_hs384(long_secret)},
               {nx_jwt_signer_hs512(long_secret), nx_jwt_verifier_hs512(long_secret)},
               {nx_jwt_signer_es256(&p256), nx_jwt_verifier_es256(&p256_public)},
               {nx_jwt_signer_eddsa(&ed), nx_jwt_verifier_eddsa(&ed_public)}};
    enum { ALL = sizeof all / sizeof *all };
    for (size_t i = 0; i < ALL; i++) {
        nx_bytes token, kid;
        nx_json claims;
        nx_require_ok(nx_jwt_sign(all[i].signer, nx_obj("sub", "17", "admin", nx_bool(true)),
                                  &token, .key_id = "2026-11"));
        nx_require_ok(nx_jwt_verify(all[i].verifier, token, &claims));
        nx_expect_eq(nx_json_string(nx_json_get(claims, "sub"), ""), "17");
        nx_expect(nx_json_bool(nx_json_get(claims, "admin"), false));
        nx_expect_eq(nx_json_int(nx_json_get(claims, "exp"), 0) -
                         nx_json_int(nx_json_get(claims, "iat"), 0),
                     900);
        nx_require_ok(nx_jwt_key_id(token, &kid));
        nx_expect_eq(kid, "2026-11");
        /* No other verifier takes it. */
        for (size_t j = 0; j < ALL; j++)
            if (j != i) {
                nx_expect_err(NX_EPROTO, nx_jwt_verify(all[j].verifier, token, &claims));
                nx_expect_contains(nx_error_last()->message, "signed in another way");
                nx_expect(!nx_json_is(claims));
            }
        /* Any byte that differs, any end that is missing. */
        for (size_t at = 0; at < token.len; at++) {
            char *changed = nx_copy(token);
            changed[at] = changed[at] == 'A' ? 'B' : 'A';
            nx_require_err(NX_EPROTO,
                           nx_jwt_verify(all[i].verifier, nx_slice(changed, token.len), &claims));
            nx_require_err(NX_EPROTO,
                           nx_jwt_verify(all[i].verifier, nx_slice(token.data, at), &claims));
        }
    }
}

NX_TEST("the token does not choose how it is verified")
{
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",    "{\"alg\":\"None\"}",  "{\"alg\":\"hs256\"}",
        "{\"alg\":\"\"}",        "{\"alg\":7}",         "{\"typ\":\"JWT\"}",
        "{\"alg\":[\"HS256\"]}", "{\"alg\":\"HS384\"}", "{\"alg\":\"HS256 \"}"};
    nx_json claims;
    nx_bytes token;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        nx_test_log("%s", headers[i]);
        nx_expect_err(NX_EPROTO,
                      nx_jwt_verify(hs256(), made(headers[i], "{\"exp\":4000000000}"), &claims));
        nx_expect_contains(nx_error_last()->message, "signed in another way");
    }
    /* Without a signature at all, as "none" has it. */
    token = made("{\"alg\":\"HS256\"}", "{\"exp\":4000000000}");
    const char *dot = memchr(token.data + 40, '.', token.len - 40);
    nx_expect_err(
        NX_EPROTO,
        nx_jwt_verify(hs256(), nx_slice(token.data, (size_t)(dot - token.data) + 1), &claims));
    nx_expect_contains(nx_error_last()->message, "not signed by the key");
    /* The classic: a public key, which everybody has, as the secret of an HMAC. */
    nx_rsa_public key;
    nx_require_ok(nx_key_read(nx_str(rsa_pem), &key));
    nx_require_ok(nx_jwt_sign(nx_jwt_signer_hs256(nx_str(rsa_pem)), nx_obj("sub", "root"), &token));
    nx_expect_err(NX_EPROTO, nx_jwt_verify(nx_jwt_verifier_rs256(&key), token, &claims));
    nx_expect_err(NX_EPROTO,
                  nx_jwt_verify(hs256(),
                                made("{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", "{}"),
                                &claims));
    nx_expect_contains(nx_error_last()->message, "extensions that are not known");
    nx_expect_err(NX_EPROTO,
                  nx_jwt_verify(hs256(), made("{\"alg\":\"HS256\",\"crit\":[]}", "{}"), &claims));
    nx_expect_err(
        NX_EPROTO,
        nx_jwt_verify(hs256(), made("{\"alg\":\"none\",\"alg\":\"HS256\"}", "{\"exp\":4000000000}"),
                      &claims));
    nx_expect_contains(nx_error_last()->message, "no JSON objects");
}

NX_TEST("times are checked, with a leeway")
{
    nx_json claims;
    nx_bytes token = claiming("{\"exp\":1000,\"nbf\":500.5,\"iat\":400}");
    nx_expect_ok(nx_jwt_verify(hs256(), token, &claims, .now = AT(1000)));
    nx_expect_ok(nx_jwt_verify(hs256(), token, &claims, .now = AT(1029)));
    nx_expect_err(NX_ETIMEDOUT, nx_jwt_verify(hs256(), token, &claims, .now = AT(1030)));
    nx_expect_contains(nx_error_last()->message, "has expired");
    nx_expect(!nx_json_is(claims));
    nx_expect_err(NX_ETIMEDOUT,
                  nx_jwt_verify(hs256(), token, &claims, .now = AT(1001), .leeway = 1));
    nx_expect_ok(nx_jwt_verify(hs256(), token, &claims, .now = AT(1050), .leeway = NX_S(60)));
    nx_expect_ok(nx_jwt_verify(hs256(), token, &claims, .now = AT(471)));
    nx_expect_err(NX_EPROTO, nx_jwt_verify(hs256(), token, &claims, .now = AT(470)));
    nx_expect_contains(nx_error_last()->message, "not valid yet");
    nx_expect_err(NX_EPROTO, nx_jwt_verify(hs256(), claiming("{}"), &claims));
    nx_expect_contains(nx_error_last()->message, "has no \"exp\"");
    nx_expect_ok(nx_jwt_verify(hs256(), claiming("{}"), &claims, .endless = true));
    nx_expect_err(NX_ETIMEDOUT,
                  nx_jwt_verify(hs256(), claiming("{\"exp\":1}"), &claims, .endless = true));
    nx_expect_err(NX_EPROTO, nx_jwt_verify(hs256(), claiming("{\"exp\":\"4000000000\"}"), &claims));
    nx_expect_err(NX_EPROTO, nx_jwt_verify(hs256(), claiming("{\"exp\":null}"), &claims));
    nx_expect_ok(nx_jwt_verify(hs256(), claiming("{\"exp\":1e300}"), &claims));
    nx_expect_err(NX_ETIMEDOUT, nx_jwt_verify(hs256(), claiming("{\"exp\":-1e300}"), &claims));
    nx_expect_err(NX_EPROTO,
                  nx_jwt_verify(hs256(), claiming("{\"exp\":4e9,\"nbf\":true}"), &claims));
    nx_expect_err(NX_EPROTO,
                  nx_jwt_verify(hs256(), claiming("{\"exp\":4e9,\"iat\":\"1\"}"), &claims));
}

NX_TEST("issuer, audience and type are checked")
{
    nx_json claims;
    nx_bytes plain = claiming("{\"exp\":4e9,\"iss\":\"a\"}");
    nx_bytes one = claiming("{\"exp\":4e9,\"aud\":\"x\"}");
    nx_bytes many = claiming("{\"exp\":4e9,\"aud\":[7,\"y\",\"x\"]}");
    nx_expect_ok(nx_jwt_verify(hs256(), plain, &claims, .issuer = "a"));
    nx_expect_err(NX_EPROTO, nx_jwt_verify(hs256(), plain, &claims, .issuer = "b"));
    nx_expect_contains(nx_error_last()->message, "another issuer");
    nx_expect_err(NX_EPROTO, nx_jwt_verify(hs256(), one, &claims, .issuer = "a"));
    nx_expect_ok(nx_jwt_verify(hs256(), one, &claims, .audience = "x"));
    nx_expect_ok(nx_jwt_verify(hs256(), many, &claims, .audience = "x"));
    nx_expect_err(NX_EPROTO, nx_jwt_verify(hs256(), many, &claims, .audience = "z"));
    nx_expect_contains(nx_error_last()->message, "another audience");
    nx_expect_err(NX_EPROTO, nx_jwt_verify(hs256(), plain, &claims, .audience = "x"));
    /* Who names no audience is in none. */
    nx_expect_err(NX_EPROTO, nx_jwt_verify(hs256(), one, &claims));
    nx_expect_err(NX_EPROTO, nx_jwt_verify(hs256(), plain, &claims, .type = "at+jwt"));
    nx_expect_contains(nx_error_last()->message, "another type");
    nx_expect_ok(nx_jwt_verify(hs256(),
                               made("{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", "{\"exp\":4e9}"),
                               &claims, .type = "at+jwt"));
}

NX_TEST("what is no token is told")
{
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      "a.b",
                                      "a.b.c.d",
                                      "e30.e30",
                                      "e30=.e30.e30",
                                      "W10.e30.",
                                      "*.e30.e30",
                                      "e30.e30.e30",
                                      "eyJhbGciOiJIUzI1NiJ9.e30.*"};
    nx_json claims;
    nx_bytes kid;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nx_test_log("%s", bad[i]);
        nx_expect_err(NX_EPROTO, nx_jwt_verify(hs256(), nx_str(bad[i]), &claims));
    }
    nx_expect_err(NX_EPROTO, nx_jwt_verify(hs256(), claiming("[]"), &claims));
    nx_expect_err(NX_EPROTO, nx_jwt_verify(hs256(), claiming("{"), &claims));
    nx_expect_err(NX_EPROTO, nx_jwt_key_id(nx_str("a.b"), &kid));
    nx_require_ok(nx_jwt_key_id(claiming("{}"), &kid));
    nx_expect_eq(kid, "");
    char *large = nx_alloc_zero(NX_JWT_MOST + 1, 1);
    nx_expect_err(NX_ETOOBIG, nx_jwt_verify(hs256(), nx_slice(large, NX_JWT_MOST + 1), &claims));
}

NX_TEST("what can't be signed or verified is told")
{
    nx_bytes token;
    nx_json claims;
    nx_jwt_signer signer = nx_jwt_signer_hs256(nx_slice(secret, 32));
    nx_rsa_public rsa = {.modulus_len = 0};
    nx_expect_err(NX_EINVAL,
                  nx_jwt_sign(nx_jwt_signer_hs256(nx_str("short")), nx_obj("a", 1), &token));
    nx_expect_contains(nx_error_last()->message, "32 bytes or more, not 5");
    nx_expect_err(NX_EINVAL,
                  nx_jwt_sign(nx_jwt_signer_hs512(nx_slice(secret, 63)), nx_obj("a", 1), &token));
    nx_expect_err(NX_EINVAL,
                  nx_jwt_verify(nx_jwt_verifier_hs256(nx_str("short")), claiming("{}"), &claims));
    nx_expect_err(NX_EINVAL, nx_jwt_sign(signer, nx_arr(1), &token));
    nx_expect_contains(nx_error_last()->message, "are an object");
    nx_expect_err(NX_EINVAL, nx_jwt_sign(signer, nx_obj("exp", 7), &token, .lifetime = NX_S(60)));
    nx_expect_contains(nx_error_last()->message, "not both");
    nx_jwt_signer none = signer;
    none.algorithm = (nx_jwt_algorithm)0;
    nx_expect_err(NX_EINVAL, nx_jwt_sign(none, nx_obj("a", 1), &token));
    none.algorithm = NX_JWT_RS256;
    nx_expect_err(NX_EINVAL, nx_jwt_sign(none, nx_obj("a", 1), &token));
    nx_expect_err(NX_EINVAL, nx_jwt_verify(nx_jwt_verifier_rs256(&rsa),
                                           made("{\"alg\":\"RS256\"}", "{}"), &claims));
    char *large = nx_alloc_zero(NX_JWT_MOST, 1);
    memset(large, 'a', NX_JWT_MOST - 1);
    nx_expect_err(NX_ETOOBIG, nx_jwt_sign(signer, nx_obj("a", large), &token));
    nx_expect_eq(token.len, 0);
}

NX_TEST("lifetimes are what they are said to be")
{
    nx_bytes token;
    nx_json claims;
    nx_jwt_signer signer = nx_jwt_signer_hs256(nx_slice(secret, 32));
    nx_require_ok(nx_jwt_sign(signer, nx_obj(), &token, .lifetime = NX_S(60), .now = AT(1000)));
    nx_require_ok(nx_jwt_verify(hs256(), token, &claims, .now = AT(1001)));
    nx_expect_eq(nx_json_int(nx_json_get(claims, "exp"), 0), 1060);
    nx_require_ok(nx_jwt_sign(signer, nx_obj("iat", 5), &token, .lifetime = NX_FOREVER));
    nx_require_ok(nx_jwt_verify(hs256(), token, &claims, .endless = true));
    nx_expect(!nx_json_is(nx_json_get(claims, "exp")));
    nx_expect_eq(nx_json_int(nx_json_get(claims, "iat"), 0), 5);
    nx_require_ok(nx_jwt_sign(signer, nx_obj("exp", 2000), &token, .now = AT(1000)));
    nx_require_ok(nx_jwt_verify(hs256(), token, &claims, .now = AT(1500)));
    nx_expect_err(NX_ETIMEDOUT, nx_jwt_verify(hs256(), token, &claims, .now = AT(2500)));
}
