/* Says how deep the brackets of each argument are nested. The parser has a mistake, and so it runs
 * in a process of its own: what crashes it is told, and the others go on.
 *
 *     nexus run app.c -- '(a (b))' 'a)' '()' */
#include <nexus/worker.h>
#include <stdio.h>
#include <stdlib.h>

struct level {
    struct level *outer;
    int depth;
};

/* Does not expect a bracket that closes none. */
static int depth_of(nx_bytes text)
{
    struct level *innermost = NULL;
    int deepest = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '(') {
            struct level *level = nx_alloc(sizeof *level);
            if (!level) return -1;
            level->outer = innermost;
            level->depth = innermost ? innermost->depth + 1 : 1;
            innermost = level;
            if (level->depth > deepest) deepest = level->depth;
        } else if (text.data[i] == ')') {
            innermost = innermost->outer;
        }
    }
    return deepest;
}

/* In a process of its own: an answer to each question. */
static nx_err parse(nx_port *port)
{
    nx_bytes text;
    nx_err err;
    while ((err = nx_port_recv(port, &text)) == NX_OK) {
        char answer[32];
        int len = snprintf(answer, sizeof answer, "%d", depth_of(text));
        NX_TRY(nx_port_send(port, nx_slice(answer, (size_t)len)));
    }
    return err == NX_ECLOSED ? NX_OK : err; /* there are no more questions */
}

/* ---- In the program's */

struct parser {
    nx_fiber *worker; /* NULL: there is none */
    nx_port *port;
};

/* Its end, which says what has become of it. */
static nx_err end(struct parser *parser)
{
    nx_fiber *worker = parser->worker;
    if (!worker) return NX_OK;
    parser->worker = NULL;
    nx_port_close(parser->port);
    return nx_join(worker);
}

/* Asks the parser, a new one where the last has crashed. The answer is valid until the next. */
static nx_err ask(struct parser *parser, nx_bytes text, nx_bytes *answer)
{
    if (!parser->worker)
        NX_TRY(nx_process_worker_start(&parser->worker, &parser->port, parse, .name = "parser"));
    nx_err err = nx_port_send(parser->port, text);
    if (!err) err = nx_port_recv(parser->port, answer);
    return err == NX_ECLOSED ? end(parser) : err;
}

int main(int argc, char **argv)
{
    struct parser parser = {0};
    for (int i = 1; i < argc; i++) {
        nx_bytes answer = nx_str("");
        nx_err err = ask(&parser, nx_str(argv[i]), &answer);
        if (err && err != NX_ECRASHED) return err;
        printf("%s: %s\n", argv[i], err ? nx_error_last()->message : answer.data);
    }
    return end(&parser);
}
