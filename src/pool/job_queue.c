/*
 * job_queue.c - a ring that doubles when it is full.
 */
#include "pool/job_queue.h"

#include <stdlib.h>

enum {
    FIRST_CAPACITY = 64
};

static bool grow(struct job_queue *queue)
{
    size_t capacity = queue->capacity == 0 ? FIRST_CAPACITY : queue->capacity * 2;
    struct job *jobs = malloc(capacity * sizeof *jobs);
    if (jobs == NULL)
        return false;
    for (size_t i = 0; i < queue->count; i++)
        jobs[i] = queue->jobs[(queue->first + i) & (queue->capacity - 1)];
    free(queue->jobs);
    queue->jobs = jobs;
    queue->first = 0;
    queue->capacity = capacity;
    return true;
}

bool job_queue_push(struct job_queue *queue, struct job job)
{
    if (queue->count == queue->capacity && !grow(queue))
        return false;
    queue->jobs[(queue->first + queue->count) & (queue->capacity - 1)] = job;
    queue->count++;
    return true;
}

bool job_queue_pop(struct job_queue *queue, struct job *ret)
{
    if (queue->count == 0)
        return false;
    *ret = queue->jobs[queue->first];
    queue->first = (queue->first + 1) & (queue->capacity - 1);
    queue->count--;
    return true;
}

void job_queue_done(struct job_queue *queue)
{
    free(queue->jobs);
    *queue = (struct job_queue){ 0 };
}
