/*
 * care.h - looking after a store in a directory: checking, repairing, dumping, backing up, restoring. Each returns the exit code.
 */
#ifndef APP_CARE_H
#define APP_CARE_H

#include <kvs/kvs.h>

#include "app/args.h"

/* Findings go to standard output; 1 when there is damage. */
int care_check(const struct args_program *program, const char *dir,
               const struct kvs_options *options);

/* What was lost goes to standard output; 1 when anything was. */
int care_repair(const struct args_program *program, const char *dir, const char *new_dir,
                const struct kvs_options *options);

int care_dump(const struct args_program *program, const char *dir,
              const struct kvs_options *options);

int care_backup(const struct args_program *program, struct kvs *db, const char *to,
                const struct kvs_backup_options *how);

int care_restore(const struct args_program *program, const char *from, const char *dir,
                 const struct kvs_options *options);

#endif
