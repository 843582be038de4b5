/* Seals a file with a password, which it asks for, and opens it again:
 *
 *     nexus run app.c --allow-read=. --allow-write=. -- seal notes.txt notes.sealed
 *     nexus run app.c --allow-read=. --allow-write=. -- open notes.sealed notes.txt
 *
 * Where nobody can be asked, --allow-env=SEAL_PASSWORD lets it take the variable of that name. */
#include <nexus.h>
#include <stdlib.h>

enum { SALT = 16 };

/* The key of the password and the salt; guessing a password costs as much as this. */
static nx_err key_of(const uint8_t salt[SALT], nx_cipher_key *key)
{
    uint8_t bytes[32];
    nx_bytes password = nx_str(getenv("SEAL_PASSWORD"));
    if (!password.len) NX_TRY(nx_prompt_secret(&password, "Password"));
    NX_TRY(nx_argon2id(password, nx_slice(salt, SALT), bytes, sizeof bytes, .memory_kib = 65536,
                       .passes = 3));
    nx_err err = nx_cipher_key_from(key, NX_AES_256_GCM, nx_slice(bytes, sizeof bytes));
    nx_wipe(bytes, sizeof bytes);
    return err;
}

/* The salt comes first in the file, the sealed stream behind it. */
static nx_err seal_file(const char *from, const char *to)
{
    uint8_t salt[SALT];
    nx_cipher_key key;
    nx_random(salt, sizeof salt);
    NX_TRY(key_of(salt, &key));
    nx_stream *out = nx_fs_writer(to), *sealing = nx_sealing(&key);
    nx_wipe(&key, sizeof key);
    nx_err err = nx_stream_write(out, nx_slice(salt, SALT));
    if (!err) return nx_pipe(nx_fs_reader(from), sealing, out);
    nx_stream_close(sealing);
    nx_stream_close(out);
    return err;
}

static nx_err read_salt(nx_stream *in, uint8_t salt[SALT])
{
    for (size_t have = 0, got; have < SALT; have += got) {
        NX_TRY(nx_stream_read(in, salt + have, SALT - have, &got));
        if (!got) return nx_fail(NX_EPROTO, "the file is too short to be a sealed one");
    }
    return NX_OK;
}

static nx_err open_file(const char *from, const char *to)
{
    uint8_t salt[SALT];
    nx_cipher_key key;
    nx_stream *in = nx_fs_reader(from);
    nx_err err = read_salt(in, salt);
    if (!err) err = key_of(salt, &key);
    if (err) {
        nx_stream_close(in);
        return err;
    }
    nx_stream *opening = nx_opening(&key);
    nx_wipe(&key, sizeof key);
    return nx_pipe(in, opening, nx_fs_writer(to));
}

int main(int argc, char **argv)
{
    bool seal = argc == 4 && strcmp(argv[1], "seal") == 0;
    if (!seal && (argc != 4 || strcmp(argv[1], "open") != 0)) {
        nx_eprintln("usage: seal FILE SEALED, or open SEALED FILE");
        return NX_EUSAGE;
    }
    nx_err err = seal ? seal_file(argv[2], argv[3]) : open_file(argv[2], argv[3]);
    if (err) nx_eprintln("%s", nx_error_last()->message);
    return err;
}
