/* nexus wasm */
#include "cli/cli.h"

#include "base/buffer.h"
#include "base/json.h"
#include "permission/permission.h"
#include "wasm/internal.h"
#include <stdio.h>

enum { OUTPUT_MOST = 64 << 20, LINE_MOST = 4096 };

struct output {
    struct nx__buffer text;
    nx_err err;
};

static void put(struct output *o, const char *format, ...) NX_PRINTF(2, 3);

static void put(struct output *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!o->err) o->err = nx__buffer_vprintf(&o->text, OUTPUT_MOST, format, args);
    va_end(args);
}

static const char *kind_name(nx_wasm_kind kind)
{
    switch (kind) {
    case NX_WASM_FUNCTION: return "function";
    case NX_WASM_MEMORY: return "memory";
    case NX_WASM_GLOBAL: return "global";
    case NX_WASM_TABLE: return "table";
    default: return "tag";
    }
}

/* ---- As text */

static void put_range(struct output *o, const nx_wasm_item *item, const char *unit)
{
    put(o, ": %llu", (unsigned long long)item->minimum);
    if (item->maximum == UINT64_MAX)
        put(o, " or more %s", unit);
    else
        put(o, " to %llu %s", (unsigned long long)item->maximum, unit);
}

static void put_item(struct output *o, const nx_wasm_item *item)
{
    char module[128], name[128], type[NX__WASM_TYPE_TEXT];
    nx__printable(module, sizeof module, item->module.data);
    nx__printable(name, sizeof name, item->name.data);
    put(o, "  %-8s  %s%s%s", kind_name(item->kind), module, item->module.len ? "." : "", name);
    switch (item->kind) {
    case NX_WASM_FUNCTION:
        nx__wasm_type_print(item->params, item->param_count, item->results, item->result_count,
                            type);
        put(o, ": %s", type);
        break;
    case NX_WASM_MEMORY:
        put_range(o, item, item->page_size == 65536 ? "pages of 64 KiB" : "bytes");
        put(o, "%s%s", item->shared ? ", shared" : "", item->is_64 ? ", addressed by i64" : "");
        break;
    case NX_WASM_GLOBAL:
        put(o, ": %s%s", item->mutable_ ? "mutable " : "", nx__wasm_type_name(item->type));
        break;
    case NX_WASM_TABLE:
        put_range(o, item, "of ");
        put(o, "%s", nx__wasm_type_name(item->type));
        break;
    default: break;
    }
    put(o, "\n");
}

static void put_text(struct output *o, const char *title, const nx_wasm_item *items, size_t count)
{
    put(o, count ? "%s\n" : "%s: none\n", title);
    for (size_t i = 0; i < count; i++) put_item(o, &items[i]);
}

/* ---- As JSON */

static void put_string(struct output *o, nx_bytes text)
{
    nx_err err = NX_OK;
    size_t len = nx__json_write(nx_value_bytes(text), NULL, 0, &err);
    if (!o->err) o->err = err;
    if (!o->err) o->err = nx__buffer_reserve(&o->text, len, OUTPUT_MOST);
    if (!o->err)
        o->text.len += nx__json_write(nx_value_bytes(text), o->text.data + o->text.len, len, &err);
}

static void put_types(struct output *o, const char *name, const uint8_t *types, size_t count)
{
    put(o, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++)
        put(o, "%s\"%s\"", i ? "," : "", nx__wasm_type_name(types[i]));
    put(o, "]");
}

static void put_json_range(struct output *o, const nx_wasm_item *item)
{
    put(o, ",\"minimum\":%llu,\"maximum\":", (unsigned long long)item->minimum);
    if (item->maximum == UINT64_MAX)
        put(o, "null");
    else
        put(o, "%llu", (unsigned long long)item->maximum);
}

static void put_json_item(struct output *o, const nx_wasm_item *item, bool import)
{
    put(o, "{");
    if (import) {
        put(o, "\"module\":");
        put_string(o, item->module);
        put(o, ",");
    }
    put(o, "\"name\":");
    put_string(o, item->name);
    put(o, ",\"kind\":\"%s\"", kind_name(item->kind));
    if (item->kind == NX_WASM_FUNCTION) {
        put_types(o, "params", item->params, item->param_count);
        put_types(o, "results", item->results, item->result_count);
    }
    if (item->kind == NX_WASM_GLOBAL || item->kind == NX_WASM_TABLE)
        put(o, ",\"type\":\"%s\"", nx__wasm_type_name(item->type));
    if (item->kind == NX_WASM_GLOBAL) put(o, ",\"mutable\":%s", item->mutable_ ? "true" : "false");
    if (item->kind == NX_WASM_MEMORY || item->kind == NX_WASM_TABLE) put_json_range(o, item);
    if (item->kind == NX_WASM_MEMORY)
        put(o, ",\"page_size\":%llu,\"shared\":%s,\"memory64\":%s",
            (unsigned long long)item->page_size, item->shared ? "true" : "false",
            item->is_64 ? "true" : "false");
    put(o, "}");
}

static void put_json(struct output *o, const char *title, const nx_wasm_item *items, size_t count,
                     bool import)
{
    put(o, "\"%s\":[", title);
    for (size_t i = 0; i < count; i++) {
        put(o, i ? "," : "");
        put_json_item(o, &items[i], import);
    }
    put(o, "]");
}

/* ---- The command */

static void describe_component(const nx_wasm_module *module, bool json, struct output *o)
{
    size_t len;
    char *text = nx__engine->component_describe(module->code, &len);
    if (json) {
        put(o, "{\"wit\":");
        put_string(o, nx_slice(text, len));
        put(o, "}\n");
    } else {
        for (char *line = text, *end; line < text + len; line = end + 1) {
            char shown[LINE_MOST];
            end = memchr(line, '\n', len - (size_t)(line - text)); /* the last line has one, too */
            *end = '\0';
            nx__printable(shown, sizeof shown, line);
            put(o, "%s\n", shown);
        }
    }
    nx__engine->text_free(text, len);
}

static nx_err describe(nx_wasm_module *module, bool json, struct output *o)
{
    const nx_wasm_item *imports, *exports;
    size_t import_count, export_count;
    if (nx__engine->code_is_component(module->code)) {
        describe_component(module, json, o);
        put(o, "%c", '\0');
        return o->err;
    }
    NX_TRY(nx_wasm_module_imports(module, &imports, &import_count));
    NX_TRY(nx_wasm_module_exports(module, &exports, &export_count));
    if (json) {
        put(o, "{");
        put_json(o, "imports", imports, import_count, true);
        put(o, ",");
        put_json(o, "exports", exports, export_count, false);
        put(o, "}\n");
    } else {
        put_text(o, "imports", imports, import_count);
        put_text(o, "exports", exports, export_count);
    }
    put(o, "%c", '\0');
    return o->err;
}

static int inspect(const char *path, bool json)
{
    struct output o = {.err = NX_OK};
    nx_wasm_module *module;
    const nx_wasm_load_options options = {.size = sizeof options};
    nx_err err = nx__wasm_load(&module, path, &options, NULL);
    if (err) return nx__cli_fail(err);
    err = describe(module, json, &o);
    if (err) (void)nx__error_set(err, "cannot describe \"%.150s\": %s", path, nx_err_text(err));
    int code = err ? nx__cli_fail(err) : nx__cli_write(o.text.data);
    nx__buffer_free(&o.text);
    nx_wasm_module_free(module);
    return code;
}

static int run(int argc, char **argv)
{
    const char *path = NULL;
    bool json = false;
    if (argc < 2 || strcmp(argv[1], "inspect") != 0)
        return nx__cli_usage(argc < 2
                                 ? "nexus wasm needs an action, as in: nexus wasm inspect x.wasm"
                                 : "nexus wasm has no action \"%.64s\"; there is inspect",
                             argc < 2 ? "" : argv[1]);
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (argv[i][0] == '-')
            return nx__cli_usage("nexus wasm inspect has no option %.64s; there is --json",
                                 argv[i]);
        else if (path)
            return nx__cli_usage("nexus wasm inspect takes one file");
        else
            path = argv[i];
    }
    if (!path)
        return nx__cli_usage("nexus wasm inspect needs a file, as in: nexus wasm inspect x.wasm");
    return inspect(path, json);
}

static const char *action_words(size_t index, const char **summary)
{
    *summary = "what it imports and exports";
    return index ? NULL : "inspect";
}

static const struct nx__flag flags[] = {
    {.name = "--json", .summary = "for programs"},
    NX__FLAG_HELP,
    NX__FLAGS_END,
};

const struct nx__command nx__command_wasm = {
    .name = "wasm",
    .summary = "look into WebAssembly, modules and components",
    .flags = flags,
    .argument = NX__OFFER_WORDS,
    .words = action_words,
    .help =
        "Usage: nexus wasm inspect [--json] FILE\n"
        "\n"
        "Says what a .wasm or .wat file imports and exports, with types; of a component, in the words of WIT.\n"
        "\n"
        "  --json   as one line of JSON\n"
        "\n"
        "Examples:\n"
        "  nexus wasm inspect compute.wasm\n"
        "  nexus wasm inspect --json compute.wasm\n",
    .run = run,
};
