/* Terminals: width, colours, styles. */
#include "console/style.h"

#include "base/compiler.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_DEFAULT = 80, SEQUENCES = 16, SEQUENCE_MOST = 40 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool wanted, dumb;

static void look(void)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    dumb = term && strcmp(term, "dumb") == 0;
    wanted = !dumb && !(no_color && *no_color);
}

bool nx__style_wanted(void)
{
    (void)pthread_once(&once, look);
    return wanted;
}

bool nx__terminal_dumb(void)
{
    (void)pthread_once(&once, look);
    return dumb;
}

bool nx_is_terminal(nx_standard stream)
{
    return isatty((int)stream) != 0;
}

unsigned nx_terminal_width(nx_standard stream)
{
    struct winsize size;
    bool known = ioctl((int)stream, TIOCGWINSZ, &size) == 0 && size.ws_col;
    return known ? size.ws_col : WIDTH_DEFAULT;
}

/* Adds ";30" and its like for a colour in the bits of NX_BLACK to NX_WHITE and NX_BRIGHT. */
static size_t color_write(char *out, size_t cap, unsigned color, unsigned base)
{
    unsigned index = (color >> 8 & 0xf) - 1;
    if (index > 7) return 0;
    if (color & NX_BRIGHT) base += 60;
    int n = snprintf(out, cap, ";%u", base + index);
    return n < 0 ? 0 : (size_t)n;
}

const char *nx_style_for(nx_standard stream, unsigned style)
{
    static NX__THREAD_LOCAL char texts[SEQUENCES][SEQUENCE_MOST];
    static NX__THREAD_LOCAL unsigned next;
    static const struct {
        unsigned bit;
        char code;
    } attributes[] = {{NX_BOLD, '1'},      {NX_DIM, '2'},     {NX_ITALIC, '3'},
                      {NX_UNDERLINE, '4'}, {NX_REVERSE, '7'}, {NX_STRIKE, '9'}};
    if (!nx__style_wanted() || !nx_is_terminal(stream)) return "";
    char *out = texts[next++ % SEQUENCES];
    size_t len = 3;
    memcpy(out, "\033[0", len); /* a style replaces the one before */
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        if (!(style & attributes[i].bit)) continue;
        out[len++] = ';';
        out[len++] = attributes[i].code;
    }
    len += color_write(out + len, SEQUENCE_MOST - len, style & 0x1f00, 30);
    len += color_write(out + len, SEQUENCE_MOST - len, style >> 8 & 0x1f00, 40);
    out[len++] = 'm';
    out[len] = '\0';
    return out;
}

const char *nx_style(unsigned style)
{
    return nx_style_for(NX_STDOUT, style);
}
