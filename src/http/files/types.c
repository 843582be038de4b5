/* Content types: IANA's names, by ending, in order. */
#include "http/files/types.h"

enum { ENDING_MOST = 11 };

/* JSON and XML say themselves how they are encoded; text does not. */
static const struct type {
    char ending[ENDING_MOST + 1];
    const char *type;
} types[] = {
    /* clang-format off */
    {"3gp", "video/3gpp"},
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"ai", "application/postscript"},
    {"apk", "application/vnd.android.package-archive"},
    {"apng", "image/apng"},
    {"appcache", "text/cache-manifest; charset=utf-8"},
    {"asc", "application/pgp-signature"},
    {"atom", "application/atom+xml"},
    {"avi", "video/x-msvideo"},
    {"avif", "image/avif"},
    {"bin", "application/octet-stream"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"c", "text/plain; charset=utf-8"},
    {"cjs", "text/javascript; charset=utf-8"},
    {"conf", "text/plain; charset=utf-8"},
    {"crt", "application/x-x509-ca-cert"},
    {"css", "text/css; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"dat", "application/octet-stream"},
    {"db", "application/vnd.sqlite3"},
    {"deb", "application/vnd.debian.binary-package"},
    {"der", "application/x-x509-ca-cert"},
    {"diff", "text/plain; charset=utf-8"},
    {"dll", "application/octet-stream"},
    {"dmg", "application/octet-stream"},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"dot", "application/msword"},
    {"dtd", "application/xml-dtd"},
    {"eot", "application/vnd.ms-fontobject"},
    {"eps", "application/postscript"},
    {"epub", "application/epub+zip"},
    {"exe", "application/octet-stream"},
    {"flac", "audio/flac"},
    {"geojson", "application/geo+json"},
    {"gif", "image/gif"},
    {"glb", "model/gltf-binary"},
    {"gltf", "model/gltf+json"},
    {"go", "text/plain; charset=utf-8"},
    {"gpx", "application/gpx+xml"},
    {"gz", "application/gzip"},
    {"h", "text/plain; charset=utf-8"},
    {"heic", "image/heic"},
    {"heif", "image/heif"},
    {"htm", "text/html; charset=utf-8"},
    {"html", "text/html; charset=utf-8"},
    {"ico", "image/vnd.microsoft.icon"},
    {"ics", "text/calendar; charset=utf-8"},
    {"img", "application/octet-stream"},
    {"ini", "text/plain; charset=utf-8"},
    {"iso", "application/octet-stream"},
    {"jar", "application/java-archive"},
    {"jfif", "image/jpeg"},
    {"jp2", "image/jp2"},
    {"jpe", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"jsonld", "application/ld+json"},
    {"jsx", "text/plain; charset=utf-8"},
    {"jxl", "image/jxl"},
    {"kml", "application/vnd.google-earth.kml+xml"},
    {"kmz", "application/vnd.google-earth.kmz"},
    {"log", "text/plain; charset=utf-8"},
    {"m2ts", "video/mp2t"},
    {"m3u8", "application/vnd.apple.mpegurl"},
    {"m4a", "audio/mp4"},
    {"m4v", "video/mp4"},
    {"map", "application/json"},
    {"markdown", "text/markdown; charset=utf-8"},
    {"md", "text/markdown; charset=utf-8"},
    {"mid", "audio/midi"},
    {"midi", "audio/midi"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"mkv", "video/matroska"},
    {"mov", "video/quicktime"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpd", "application/dash+xml"},
    {"mpeg", "video/mpeg"},
    {"mpg", "video/mpeg"},
    {"msi", "application/octet-stream"},
    {"mts", "video/mp2t"},
    {"n3", "text/n3; charset=utf-8"},
    {"obj", "model/obj"},
    {"odp", "application/vnd.oasis.opendocument.presentation"},
    {"ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"otf", "font/otf"},
    {"p8", "application/pkcs8"},
    {"patch", "text/plain; charset=utf-8"},
    {"pb", "application/protobuf"},
    {"pdf", "application/pdf"},
    {"pem", "application/x-pem-file"},
    {"png", "image/png"},
    {"ppt", "application/vnd.ms-powerpoint"},
    {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"ps", "application/postscript"},
    {"psd", "image/vnd.adobe.photoshop"},
    {"py", "text/plain; charset=utf-8"},
    {"rar", "application/vnd.rar"},
    {"rpm", "application/x-rpm"},
    {"rs", "text/plain; charset=utf-8"},
    {"rss", "application/rss+xml"},
    {"rtf", "application/rtf"},
    {"rtx", "text/richtext; charset=utf-8"},
    {"sh", "text/plain; charset=utf-8"},
    {"sig", "application/pgp-signature"},
    {"so", "application/octet-stream"},
    {"sql", "application/sql"},
    {"sqlite", "application/vnd.sqlite3"},
    {"srt", "text/plain; charset=utf-8"},
    {"stl", "model/stl"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"text", "text/plain; charset=utf-8"},
    {"tgz", "application/gzip"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"toml", "application/toml"},
    {"ts", "text/plain; charset=utf-8"},
    {"tsv", "text/tab-separated-values; charset=utf-8"},
    {"tsx", "text/plain; charset=utf-8"},
    {"ttc", "font/collection"},
    {"ttf", "font/ttf"},
    {"ttl", "text/turtle; charset=utf-8"},
    {"txt", "text/plain; charset=utf-8"},
    {"vcf", "text/vcard; charset=utf-8"},
    {"vtt", "text/vtt; charset=utf-8"},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"weba", "audio/webm"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xht", "application/xhtml+xml"},
    {"xhtml", "application/xhtml+xml"},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"xml", "application/xml"},
    {"xsl", "application/xslt+xml"},
    {"xz", "application/x-xz"},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
    /* clang-format on */
};

nx_bytes nx__type_of(nx_bytes name)
{
    char ending[ENDING_MOST + 1] = {0};
    size_t len = 0;
    while (len < name.len && name.data[name.len - 1 - len] != '.' &&
           name.data[name.len - 1 - len] != '/')
        len++;
    if (len < name.len && name.data[name.len - 1 - len] == '.' && len && len <= ENDING_MOST) {
        for (size_t i = 0; i < len; i++) {
            char c = name.data[name.len - len + i];
            ending[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
        }
        size_t low = 0, high = sizeof types / sizeof *types;
        while (low < high) {
            size_t middle = (low + high) / 2;
            int order = memcmp(ending, types[middle].ending, sizeof ending);
            if (order == 0) return nx_str(types[middle].type);
            if (order < 0)
                high = middle;
            else
                low = middle + 1;
        }
    }
    return nx_str("application/octet-stream");
}

static bool begins(nx_bytes text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && strncasecmp(text.data, with, len) == 0;
}

static bool ends(nx_bytes text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && strncasecmp(text.data + text.len - len, with, len) == 0;
}

bool nx__type_compressible(nx_bytes type)
{
    static const char *const others[] = {
        "application/json",
        "application/xml",
        "application/javascript",
        "application/wasm",
        "application/yaml",
        "application/toml",
        "application/x-ndjson",
        "application/sql",
        "application/rtf",
        "application/postscript",
        "application/graphql",
        "application/xml-dtd",
        "image/vnd.microsoft.icon",
        "image/bmp",
        "application/vnd.apple.mpegurl",
        "font/ttf",
        "font/otf",
        "font/collection",
        "application/vnd.ms-fontobject",
    };
    nx_bytes bare = type;
    const char *semicolon = type.len ? memchr(type.data, ';', type.len) : NULL;
    if (semicolon) bare.len = (size_t)(semicolon - type.data);
    while (bare.len && (bare.data[bare.len - 1] == ' ' || bare.data[bare.len - 1] == '\t'))
        bare.len--;
    if (begins(bare, "text/") || ends(bare, "+json") || ends(bare, "+xml")) return true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (bare.len == strlen(others[i]) && begins(bare, others[i])) return true;
    return false;
}
