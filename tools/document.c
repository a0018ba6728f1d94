/*
 * document.c - printing a document, or comparing it with the file it should be.
 */
#include "tools/document.h"

#include <stdlib.h>
#include <string.h>

/* The file's content, NUL terminated; NULL: cannot be read. */
static char *file_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    char *text = NULL;
    size_t len = 0;
    FILE *copy = open_memstream(&text, &len);
    int byte;
    while (copy != NULL && (byte = getc(file)) != EOF)
        (void)putc(byte, copy);
    if (copy != NULL)
        (void)fclose(copy);
    (void)fclose(file);
    return text;
}

static int check(const char *name, document_print_fn *print, const char *path)
{
    char *wanted = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&wanted, &len);
    if (out == NULL)
        return 1;
    bool ok = print(out);
    ok = fclose(out) == 0 && ok;
    char *found = file_text(path);
    bool same = ok && found != NULL && strcmp(found, wanted) == 0;
    if (found == NULL)
        perror(path);
    else if (ok && !same)
        (void)fprintf(stderr, "%s is out of date: %s prints another; run make docs\n", path, name);
    free(found);
    free(wanted);
    return same ? 0 : 1;
}

int document_main(const char *name, document_print_fn *print, int argc, char **argv)
{
    if (argc == 1)
        return print(stdout) && fflush(stdout) == 0 ? 0 : 1;
    if (argc == 3 && strcmp(argv[1], "--check") == 0)
        return check(name, print, argv[2]);
    (void)fprintf(stderr, "usage: %s [--check FILE]\n", name);
    return 2;
}
