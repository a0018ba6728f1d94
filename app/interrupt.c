/*
 * interrupt.c - the flag behind interrupt_asked(). A signal handler has nowhere else to put what it knows.
 */
#include "app/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

enum {
    PATIENCE_S = 30
};

static volatile sig_atomic_t asked;

static void note(int signal)
{
    (void)signal;
    asked = 1;
    (void)alarm(
        PATIENCE_S); /* whose signal ends the program, should a server not answer any more */
}

void interrupt_catch(void)
{
    struct sigaction action = { .sa_handler = note, .sa_flags = (int)SA_RESETHAND };
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL); /* cannot fail for these signals */
    (void)sigaction(SIGTERM, &action, NULL);
}

bool interrupt_asked(void)
{
    return asked != 0;
}
