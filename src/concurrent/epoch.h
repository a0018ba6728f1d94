/*
 * epoch.h - safe memory reclamation, over a maintained library (see docs/dependencies.md). The only door to it.
 *
 * A reader brackets its use of shared nodes with epoch_enter()/epoch_leave(); a writer that has unlinked a node hands it to
 * epoch_retire(), and it is freed when every reader that could have seen it has left. Sections nest, are short, and never
 * span a wait for a disk. Any thread may enter; registration is automatic and ends with the thread.
 *
 * One domain per process: what it frees is memory only, through the callback of the owner, so stores do not meet in it.
 * (This is the library's own process-wide state; kvs keeps none of its own.)
 */
#ifndef CONCURRENT_EPOCH_H
#define CONCURRENT_EPOCH_H

#include <stddef.h>

/* Embed one in what is to be retired. */
struct epoch_node {
    void *opaque[4];
};

typedef void epoch_free_fn(struct epoch_node *node);

/* Before a structure whose nodes will be retired is used: a forked child that goes on as a user of one lets go here, on the thread that forked,
 * of what the library holds across a fork. Anybody may call it at any time. */
void epoch_prepare(void);

void epoch_enter(void);
void epoch_leave(void);

/* Calls @free_fn(node) once no reader can see it; from an unspecified thread. Callable inside and outside a section. */
void epoch_retire(struct epoch_node *node, epoch_free_fn *free_fn);

/* Waits until every section that is open now has been left. Not inside a section. Some microseconds, more while a reader is slow. */
void epoch_wait(void);

/* Waits until everything retired so far has been freed. Not inside a section. For closing and tests. */
void epoch_barrier(void);

#endif
