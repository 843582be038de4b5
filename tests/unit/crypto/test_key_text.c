/* Keys as PEM, DER and JWK. The keys are made for this test. */
#include <nexus/encode.h>
#include <nexus/json.h>
#include <nexus/keys.h>
#include <nexus/test.h>

static const char p256_pkcs8[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEjRWeJCrze8SNFZ4\n"
    "kKvN7xI0VniQq83vEjRWeJCrze+hRANCAARHHD51jEkEKFu6flMRjtD1JK3rB1fS\n"
    "W9L457DXbfpxTN1SD3rKiouResw39R3o8Mm7462Fg4LnAtwloS0J96hY\n"
    "-----END PRIVATE KEY-----\n";
static const char p256_sec1[] = "-----BEGIN EC PRIVATE KEY-----\n"
                                "MHcCAQEEIBI0VniQq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83voAoGCCqGSM49\n"
                                "AwEHoUQDQgAERxw+dYxJBChbun5TEY7Q9SSt6wdX0lvS+Oew1236cUzdUg96yoqL\n"
                                "kXrMN/Ud6PDJu+OthYOC5wLcJaEtCfeoWA==\n"
                                "-----END EC PRIVATE KEY-----\n";
static const char p256_spki[] = "-----BEGIN PUBLIC KEY-----\n"
                                "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAERxw+dYxJBChbun5TEY7Q9SSt6wdX\n"
                                "0lvS+Oew1236cUzdUg96yoqLkXrMN/Ud6PDJu+OthYOC5wLcJaEtCfeoWA==\n"
                                "-----END PUBLIC KEY-----\n";
static const char ed25519_pkcs8[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    "-----END PRIVATE KEY-----\n";
static const char ed25519_spki[] = "-----BEGIN PUBLIC KEY-----\n"
                                   "MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n"
                                   "-----END PUBLIC KEY-----\n";
static const char ed25519_encrypted[] =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBDw22Dr3S9FTUepx1g9\n"
    "vOFpAgIIADAMBggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQidqPQI6YcGjoLksE\n"
    "d8I2QgRAwnJyzLsP+gKggQUbLJ2+GrVK00m5ET5j/FDw60TSkzbMKclYREsZp69i\n"
    "zJbMXBgIG/T9+orA23l3fxm4PdwVaQ==\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";
static const char x25519_pkcs8[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VuBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    "-----END PRIVATE KEY-----\n";
static const char p384_pkcs8[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAAAAAAAAAAAAAAAAAA\n"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAWhZANiAAQR3iSiwlHH\n"
    "d1c8rF6gJeRn8gjlHb/5j8VPZmHL5WWDsDeIL0ocopfmCrzbw4NthLyPppbHdED5\n"
    "LQ9YN+kKAOfFKEtEd1TV3uiMmGUztpAa6zF3aG0K6PszGEQUq+bBcTo=\n"
    "-----END PRIVATE KEY-----\n";
static const char p384_sec1[] = "-----BEGIN EC PRIVATE KEY-----\n"
                                "MIGkAgEBBDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                                "AAAAAAAAAAWgBwYFK4EEACKhZANiAAQR3iSiwlHHd1c8rF6gJeRn8gjlHb/5j8VP\n"
                                "ZmHL5WWDsDeIL0ocopfmCrzbw4NthLyPppbHdED5LQ9YN+kKAOfFKEtEd1TV3uiM\n"
                                "mGUztpAa6zF3aG0K6PszGEQUq+bBcTo=\n"
                                "-----END EC PRIVATE KEY-----\n";
static const char rsa_1024[] = "-----BEGIN PUBLIC KEY-----\n"
                               "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC76DCnMcUOGCfKwVY2z/Blx2+M\n"
                               "JIvkcmDIGYws7peSR8S2I1uIe+OjyDUnUD6pa0jBShecoFkVt3OaQ+z3730CKIMf\n"
                               "zTDas56yVPT0c/NI2D4SybrUl3nts2n1xk70SyicJuLirNiTRsbhMGQ4xqe+toFq\n"
                               "8Nx7+KOZNWadiH9HgwIDAQAB\n"
                               "-----END PUBLIC KEY-----\n";
static const char rsa_2048[] = "-----BEGIN PUBLIC KEY-----\n"
                               "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAssXQ+Zrrra5V+Ip1Utp/\n"
                               "Kbisf9G3OwWiJJ9r/T7d2937OJRokeTQ2+dxDquzTteaMjfr09mRhdWM9HrFqdYS\n"
                               "hr1ZcAzi98cnt9aWEChgtg7x+5PUfOuVhorE9FtZSkoooFGFiR7YpfooY57Tj+2L\n"
                               "tQFJJj5ppF95R+RcCOp6c6nYRpWJrs9If+CvYxIfoGkS0sSq425F/yi9Vy8MLZYN\n"
                               "XAlHbLjCvK63Bs5gai9U1OgItzVx29uU6nT3OWbqXRKGKllXG6885Hn2AJL++vNp\n"
                               "CSCxQIuMTraKGEcBB3Iz5y02VX0XR+vj4/8w5DZKKDG0kem4luiqPtPX/x3rKnXX\n"
                               "2wIDAQAB\n"
                               "-----END PUBLIC KEY-----\n";

/* Reads as `type`, in memory that is as large as the largest. */
static nx_err read_as(const char *text, nx_key_type type)
{
    nx_rsa_public room;
    return nx_key_read_as(nx_str(text), &room, type);
}

NX_TEST("keys come out as they went in, in all forms")
{
    static const struct {
        const char *pem;
        nx_key_type type;
    } keys[] = {{p256_pkcs8, NX_KEY_P256_SECRET},       {p256_spki, NX_KEY_P256_PUBLIC},
                {ed25519_pkcs8, NX_KEY_ED25519_SECRET}, {ed25519_spki, NX_KEY_ED25519_PUBLIC},
                {x25519_pkcs8, NX_KEY_X25519_SECRET},   {rsa_2048, NX_KEY_RSA_PUBLIC}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        nx_rsa_public key, again;
        nx_bytes pem, der, jwk, pem_again;
        nx_test_log("key %zu", i);
        nx_require_ok(nx_key_read_as(nx_str(keys[i].pem), &key, keys[i].type));
        nx_require_ok(nx_key_write_as(&key, keys[i].type, NX_KEY_PEM, &pem));
        nx_expect_eq(pem, keys[i].pem);
        nx_require_ok(nx_key_write_as(&key, keys[i].type, NX_KEY_DER, &der));
        nx_require_ok(nx_key_read_as(der, &again, keys[i].type));
        nx_require_ok(nx_key_write_as(&again, keys[i].type, NX_KEY_JWK, &jwk));
        nx_require_ok(nx_key_read_as(jwk, &again, keys[i].type));
        nx_require_ok(nx_key_write_as(&again, keys[i].type, NX_KEY_PEM, &pem_again));
        nx_expect_eq(pem_again, keys[i].pem);
    }
}

NX_TEST("a variable's type says which key is read")
{
    nx_p256_secret a, b;
    nx_p256_public public, computed;
    nx_ed25519_secret ed;
    nx_bytes text;
    nx_require_ok(nx_key_read(nx_str(p256_pkcs8), &a));
    nx_require_ok(nx_key_read(nx_str(p256_sec1), &b));
    nx_expect(memcmp(&a, &b, sizeof a) == 0);
    nx_expect_eq(a.bytes[0], 0x12);
    nx_require_ok(nx_key_read(nx_str(p256_spki), &public));
    nx_require_ok(nx_p256_public_of(&a, &computed));
    nx_expect(memcmp(&public, &computed, sizeof public) == 0);
    nx_require_ok(nx_key_read(nx_str(ed25519_pkcs8), &ed));
    nx_expect_eq(ed.bytes[31], 31);
    const nx_ed25519_public ed_public = nx_ed25519_public_of(&ed);
    nx_require_ok(nx_key_write(&ed_public, NX_KEY_PEM, &text));
    nx_expect_eq(text, ed25519_spki);
    /* RFC 8037, appendix A.1 and A.2 */
    static const char rfc[] = "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                              "\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\","
                              "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}";
    nx_require_ok(nx_key_read(nx_str(rfc), &ed));
    nx_require_ok(nx_key_write(&ed, NX_KEY_JWK, &text));
    nx_expect_contains(text, "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"");
}

NX_TEST("another type of key is told")
{
    nx_expect_err(NX_ETYPE, read_as(p256_spki, NX_KEY_P256_SECRET));
    nx_expect_contains(nx_error_last()->message, "a public key, not a P-256 secret key");
    nx_expect_err(NX_ETYPE, read_as(ed25519_pkcs8, NX_KEY_ED25519_PUBLIC));
    nx_expect_contains(nx_error_last()->message, "a secret key, not an Ed25519 public key");
    nx_expect_err(NX_ETYPE, read_as(ed25519_spki, NX_KEY_X25519_PUBLIC));
    nx_expect_contains(nx_error_last()->message, "another kind of key, not an X25519 public key");
    nx_expect_err(NX_ETYPE, read_as(p384_pkcs8, NX_KEY_P256_SECRET));
    nx_expect_err(NX_ETYPE, read_as(rsa_2048, NX_KEY_P256_PUBLIC));
    nx_expect_err(NX_ETYPE, read_as(p256_sec1, NX_KEY_ED25519_SECRET));
    nx_expect_err(NX_ETYPE, read_as("{\"kty\":\"EC\",\"crv\":\"P-256\"}", NX_KEY_RSA_PUBLIC));
    nx_expect_err(NX_ETYPE, read_as("{\"kty\":\"EC\",\"crv\":\"P-384\"}", NX_KEY_P256_PUBLIC));
    nx_expect_err(NX_ETYPE, read_as("{\"kty\":\"OKP\",\"crv\":\"X25519\"}", NX_KEY_ED25519_PUBLIC));
    nx_expect_contains(nx_error_last()->message, "the JWK is another kind of key");
}

NX_TEST("what is no key is told why")
{
    nx_expect_err(NX_ENOTSUP, read_as(ed25519_encrypted, NX_KEY_ED25519_SECRET));
    nx_expect_contains(nx_error_last()->message, "openssl pkey -in FILE");
    nx_expect_err(NX_ENOTSUP, read_as("-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----",
                                      NX_KEY_RSA_PUBLIC));
    nx_expect_contains(nx_error_last()->message, "openssl x509 -pubkey");
    nx_expect_err(NX_ENOTSUP, read_as("-----BEGIN RSA PRIVATE KEY-----\nAA\n"
                                      "-----END RSA PRIVATE KEY-----",
                                      NX_KEY_RSA_PUBLIC));
    nx_expect_err(NX_EINVAL, read_as(rsa_1024, NX_KEY_RSA_PUBLIC));
    nx_expect_contains(nx_error_last()->message, "2048 to 8192 bits here, not 1024");
    nx_expect_err(NX_EINVAL, read_as(p384_sec1, NX_KEY_P256_SECRET));
    nx_expect_contains(nx_error_last()->message, "of another curve");
    static const char *const damaged[] = {
        "-----BEGIN \033[31mKEY-----\nAAAA\n",
        "",
        "   ",
        "0",
        "-----BEGIN PUBLIC KEY",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        "-----BEGIN PUBLIC KEY-----\n*\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAfU0O\n-----END PUBLIC KEY-----",
        "-----BEGIN AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-----\n",
        "{",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":7}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"????\"}",
    };
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        nx_test_log("%s", damaged[i]);
        nx_expect_err(NX_EINVAL, read_as(damaged[i], NX_KEY_ED25519_PUBLIC));
        nx_expect(!strchr(nx_error_last()->message, '\033'));
    }
    /* A secret key with a public one that is another's, a point that is none, and a tail. */
    nx_expect_err(NX_EINVAL, read_as("{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                                     "\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\","
                                     "\"x\":\"21qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
                                     NX_KEY_ED25519_SECRET));
    nx_expect_contains(nx_error_last()->message, "belongs to another public key");
    nx_expect_err(NX_EINVAL, read_as("{\"kty\":\"EC\",\"crv\":\"P-256\","
                                     "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
                                     "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
                                     NX_KEY_P256_PUBLIC));
    nx_expect_contains(nx_error_last()->message, "no point of the curve");
    nx_ed25519_public key;
    nx_bytes der, out;
    nx_require_ok(nx_key_read(nx_str(ed25519_spki), &key));
    nx_require_ok(nx_key_write(&key, NX_KEY_DER, &der));
    nx_expect_err(NX_EINVAL, nx_key_read(nx_slice(der.data, der.len + 1), &key));
    char *large = nx_alloc_zero(NX_KEY_MOST + 1, 1);
    nx_expect_err(NX_ETOOBIG, nx_key_read(nx_slice(large, NX_KEY_MOST + 1), &key));
    nx_expect_err(NX_EINVAL, read_as("", (nx_key_type)99));
    nx_expect_err(NX_EINVAL, nx_key_write(&key, (nx_key_form)9, &out));
    nx_expect_err(NX_EINVAL, nx_key_write_as(&key, (nx_key_type)0, NX_KEY_PEM, &out));
    nx_p256_secret none = {{0}};
    nx_expect_err(NX_EINVAL, nx_key_write(&none, NX_KEY_PEM, &out));
    nx_expect_err(NX_EINVAL, nx_key_write(&none, NX_KEY_JWK, &out));
}
