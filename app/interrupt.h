/*
 * interrupt.h - SIGINT and SIGTERM as a wish to stop, so that what is under way can be brought to an end.
 */
#ifndef APP_INTERRUPT_H
#define APP_INTERRUPT_H

#include <stdbool.h>

/* From now on the first of either signal sets a flag, and interrupts a read(); a second one, or half a minute, ends the program. */
void interrupt_catch(void);
bool interrupt_asked(void);

#endif
