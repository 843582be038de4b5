/* Questions on the terminal. */
#include "base/arena.h"
#include "console/outlet.h"
#include <errno.h>
#include <nexus/console.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

enum {
    QUESTION_MOST = 1024,
    TRIES = 3,
    QUOTE_MOST = 80, /* of a question in a message */
};

/* ---- What is typed is not shown */

static struct {
    atomic_bool hidden;
    struct termios before;
} terminal;

static const int ending[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
enum { ENDING = sizeof ending / sizeof *ending };

/* Async-signal-safe. */
static void show(void)
{
    if (atomic_exchange(&terminal.hidden, false))
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
}

/* A signal that would end the program ends it, but the terminal is put right before. */
static void ends(int signo)
{
    show();
    (void)signal(signo, SIG_DFL);
    (void)raise(signo);
}

static nx_err hide(struct sigaction before[ENDING])
{
    if (tcgetattr(STDIN_FILENO, &terminal.before) != 0)
        return nx__error_system(errno, "cannot hide what is typed");
    nx__outlet_on_end(show);
    atomic_store(&terminal.hidden, true);
    for (int i = 0; i < ENDING; i++) {
        struct sigaction action = {.sa_handler = ends};
        (void)sigemptyset(&action.sa_mask);
        if (sigaction(ending[i], NULL, &before[i]) == 0 && before[i].sa_handler == SIG_DFL)
            (void)sigaction(ending[i], &action, NULL);
    }
    struct termios quiet = terminal.before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    quiet.c_lflag |= ICANON | ISIG;
    quiet.c_cc[VSUSP] = _POSIX_VDISABLE; /* or a shell would find the terminal silent */
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0) return NX_OK;
    nx_err err = nx__error_system(errno, "cannot hide what is typed");
    atomic_store(&terminal.hidden, false);
    return err;
}

static void unhide(struct sigaction before[ENDING])
{
    show();
    for (int i = 0; i < ENDING; i++) {
        struct sigaction now;
        if (before[i].sa_handler == SIG_DFL && sigaction(ending[i], NULL, &now) == 0 &&
            now.sa_handler == ends)
            (void)sigaction(ending[i], &before[i], NULL);
    }
}

/* ---- Reading a line */

static void nothing(struct nx__watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
}

static bool has_input(void)
{
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&fd, 1, 0) != 0;
}

static nx_err wait_input(void)
{
    if (has_input()) return NX_OK;
    struct nx_loop *loop = nx__loop();
    struct nx__watch watch = {.ready = nothing};
    NX_TRY(nx__poller_add(&loop->poller, &watch, STDIN_FILENO, NX__READABLE));
    nx_err err = NX_OK;
    while (!err && !has_input()) err = nx__wait_fd(&watch, NX__READABLE, NX_FOREVER);
    nx__poller_remove(&loop->poller, &watch);
    return err;
}

/* One line without its newline. */
static nx_err read_line(char line[NX_PROMPT_MOST + 1], size_t *len)
{
    for (*len = 0; *len <= NX_PROMPT_MOST;) {
        NX_TRY(wait_input());
        ssize_t n = read(STDIN_FILENO, line + *len, NX_PROMPT_MOST + 1 - *len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n < 0) return nx__error_system(errno, "cannot read the answer");
        if (n == 0 && !*len) return nx__error_set(NX_ECLOSED, "no answer: the input has ended");
        *len += (size_t)n;
        if (n == 0) return NX_OK;
        if (line[*len - 1] == '\n') {
            --*len;
            return NX_OK;
        }
    }
    return nx__error_set(NX_ETOOBIG, "an answer is longer than %d bytes", NX_PROMPT_MOST);
}

/* ---- Asking */

static atomic_bool asking;

/* Where the question goes; NULL, with the reason recorded, if it can't be asked. `asking` is to be
 * set back afterwards. */
static struct nx__outlet *begin(const char *question)
{
    const char *why = !isatty(STDIN_FILENO)                              ? "the standard input"
                      : !isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO) ? "the output"
                                                                         : NULL;
    struct nx__outlet *o = NULL;
    if (why)
        (void)nx__error_set(NX_ENOTSUP, "cannot ask \"%.*s\": %s is no terminal", QUOTE_MOST,
                            question, why);
    else if (!nx__fiber_running())
        (void)nx__error_set(NX_ESTATE, "cannot ask \"%.*s\" outside of a fiber", QUOTE_MOST,
                            question);
    else if (!(o = nx__outlet_standard(isatty(STDERR_FILENO) ? STDERR_FILENO : STDOUT_FILENO)))
        (void)nx__error_set(NX_ENOMEM, "cannot ask \"%.*s\": out of memory", QUOTE_MOST, question);
    else if (atomic_exchange(&asking, true)) {
        (void)nx__error_set(NX_ESTATE, "cannot ask \"%.*s\": another question is open", QUOTE_MOST,
                            question);
        return NULL;
    }
    return o;
}

static nx_err say(struct nx__outlet *o, const char *text)
{
    nx_err err = nx__outlet_put(o, text, strlen(text), NX__FULL_WAIT);
    return err ? nx__error_set(err, "cannot ask: %s", nx_err_text(err)) : NX_OK;
}

/* The answer stays the caller's, who has begun. */
static nx_err ask(struct nx__outlet *o, const char *text, bool secret,
                  char line[NX_PROMPT_MOST + 1], size_t *len)
{
    struct sigaction before[ENDING];
    if (secret) NX_TRY(hide(before));
    nx_err err = say(o, text);
    if (!err) err = read_line(line, len);
    if (secret) unhide(before);
    /* The newline that was typed has been shown, unless nothing was. */
    if (err || secret)
        (void)nx__outlet_put(o, "\n", 1, NX__FULL_DROP);
    else
        nx__outlet_newline(o);
    return err;
}

static nx_err keep(const char *text, size_t len, nx_bytes *out)
{
    char *copy = nx_copy(nx_slice(text, len));
    if (!copy) return NX_ENOMEM;
    *out = nx_slice(copy, len);
    return NX_OK;
}

/* "Your name [nobody]: " */
static void question_write(char out[QUESTION_MOST], const char *question, const char *hint)
{
    size_t len = strlen(question);
    bool marked = len && (question[len - 1] == '?' || question[len - 1] == ':');
    if (hint)
        (void)snprintf(out, QUESTION_MOST, "%.*s [%.*s]%s ", QUESTION_MOST / 2, question,
                       QUESTION_MOST / 4, hint, marked ? "" : ":");
    else
        (void)snprintf(out, QUESTION_MOST, "%.*s%s ", QUESTION_MOST / 2, question,
                       marked ? "" : ":");
}

nx_err nx_prompt_with(nx_bytes *answer, const char *question, const nx_prompt_options *options)
{
    char text[QUESTION_MOST], line[NX_PROMPT_MOST + 1];
    size_t len;
    *answer = (nx_bytes){0};
    struct nx__outlet *o = begin(question);
    if (!o) return nx__error_last()->code;
    question_write(text, question, options->fallback);
    nx_err err = ask(o, text, false, line, &len);
    if (!err && !len && options->fallback)
        err = keep(options->fallback, strlen(options->fallback), answer);
    else if (!err)
        err = keep(line, len, answer);
    atomic_store(&asking, false);
    return err;
}

nx_err nx_prompt_secret(nx_bytes *secret, const char *question)
{
    char text[QUESTION_MOST], line[NX_PROMPT_MOST + 1];
    size_t len;
    *secret = (nx_bytes){0};
    struct nx__outlet *o = begin(question);
    if (!o) return nx__error_last()->code;
    question_write(text, question, NULL);
    nx_err err = ask(o, text, true, line, &len);
    if (!err) err = keep(line, len, secret);
    explicit_bzero(line, sizeof line);
    atomic_store(&asking, false);
    return err;
}

/* Asks until `accept` takes the answer, a few times. */
static nx_err ask_until(struct nx__outlet *o, const char *question, const char *text,
                        const char *fallback, bool (*accept)(const char *answer, void *arg),
                        void *arg, const char *wanted)
{
    char line[NX_PROMPT_MOST + 1];
    for (int i = 0; i < TRIES; i++) {
        size_t len;
        NX_TRY(ask(o, text, false, line, &len));
        line[len] = '\0';
        if (accept(len || !fallback ? line : fallback, arg)) return NX_OK;
        if (i + 1 < TRIES) NX_TRY(say(o, wanted));
    }
    return nx__error_set(NX_EINVAL, "no usable answer to \"%.*s\"", QUOTE_MOST, question);
}

static bool accept_yes(const char *answer, void *arg)
{
    bool yes = strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
    bool no = strcasecmp(answer, "n") == 0 || strcasecmp(answer, "no") == 0;
    *(bool *)arg = yes;
    return yes || no;
}

nx_err nx_prompt_yes_with(bool *yes, const char *question, const nx_prompt_options *options)
{
    char text[QUESTION_MOST];
    bool fallback = false;
    *yes = false;
    if (options->fallback && !accept_yes(options->fallback, &fallback))
        return nx__error_set(NX_EINVAL, "cannot ask \"%.*s\": the fallback is neither yes nor no",
                             QUOTE_MOST, question);
    struct nx__outlet *o = begin(question);
    if (!o) return nx__error_last()->code;
    question_write(text, question, !options->fallback ? "y/n" : fallback ? "Y/n" : "y/N");
    nx_err err = ask_until(o, question, text, options->fallback, accept_yes, yes,
                           "Please answer yes or no.\n");
    if (err) *yes = false;
    atomic_store(&asking, false);
    return err;
}

struct choice {
    const char *const *choices;
    size_t count, index;
};

static bool accept_choice(const char *answer, void *arg)
{
    struct choice *c = arg;
    for (c->index = 0; c->index < c->count; c->index++)
        if (strcmp(answer, c->choices[c->index]) == 0) return true;
    char *end;
    errno = 0;
    unsigned long number = strtoul(answer, &end, 10);
    bool is_number = answer[0] >= '0' && answer[0] <= '9' && !*end && errno == 0;
    c->index = number - 1;
    return is_number && number >= 1 && number <= c->count;
}

static nx_err say_choices(struct nx__outlet *o, const char *question, const struct choice *c)
{
    char text[QUESTION_MOST];
    (void)snprintf(text, sizeof text, "%.*s\n", QUESTION_MOST / 2, question);
    NX_TRY(say(o, text));
    for (size_t i = 0; i < c->count; i++) {
        (void)snprintf(text, sizeof text, "  %zu) %.*s\n", i + 1, QUESTION_MOST / 2, c->choices[i]);
        NX_TRY(say(o, text));
    }
    return NX_OK;
}

nx_err nx_prompt_choice_with(size_t *index, const char *question, const char *const *choices,
                             size_t count, const nx_prompt_options *options)
{
    char text[QUESTION_MOST];
    struct choice c = {.choices = choices, .count = count};
    *index = 0;
    if (!count || (options->fallback && !accept_choice(options->fallback, &c)))
        return nx__error_set(NX_EINVAL, "cannot ask \"%.*s\": %s", QUOTE_MOST, question,
                             count ? "the fallback is no choice" : "there is nothing to choose");
    struct nx__outlet *o = begin(question);
    if (!o) return nx__error_last()->code;
    nx_err err = say_choices(o, question, &c);
    question_write(text, "Number or text", options->fallback);
    if (!err)
        err = ask_until(o, question, text, options->fallback, accept_choice, &c,
                        "Please answer with a number or a text of the list.\n");
    if (!err) *index = c.index;
    atomic_store(&asking, false);
    return err;
}
