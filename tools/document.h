/*
 * document.h - what the tools that print a document of docs/ have in common: printing it, and comparing it with the file.
 */
#ifndef TOOLS_DOCUMENT_H
#define TOOLS_DOCUMENT_H

#include <stdbool.h>
#include <stdio.h>

/* Prints the document. False: it could not, and said why on stderr. */
typedef bool document_print_fn(FILE *out);

/*
 * The main function of the tool @name:
 *     NAME            prints the document
 *     NAME --check F  compares it with file F; answers 1, and says so, when F is out of date
 */
int document_main(const char *name, document_print_fn *print, int argc, char **argv);

#endif
