/*
 * job_queue.h - a growing ring of jobs, first in, first out. Private to the room. Threads: under its owner's lock.
 */
#ifndef POOL_JOB_QUEUE_H
#define POOL_JOB_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "pool/kind.h"

struct job_queue {
    struct job *jobs;
    size_t first;
    size_t count;
    size_t capacity; /* a power of two, or 0 */
};

/* False without memory. */
bool job_queue_push(struct job_queue *queue, struct job job);
/* The oldest job; false when there is none. */
bool job_queue_pop(struct job_queue *queue, struct job *ret);
void job_queue_done(struct job_queue *queue);

#endif
