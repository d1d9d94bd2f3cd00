/*
 * Logs what a process does to the files of one folder: cc -shared -fPIC -o write-log.so write-log.c -ldl, then LD_PRELOAD.
 * WRITE_LOG_FOLDER (with its last slash) is the folder, WRITE_LOG the log, outside of it.
 *
 * A record: operation (W write, T truncate, S sync, U unlink), u16 length of the path, path, u64 offset, u64 length, data of a write.
 * Records are written after the call has succeeded, in the order of the calls. SQLite needs none but these calls with `mmap_size = 0`.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_FILES 4096

static int log_file = -1;
static const char *folder;
static char *paths[MOST_FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ssize_t (*real_write)(int, const void *, size_t);

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("WRITE_LOG");
  folder = getenv("WRITE_LOG_FOLDER");
  real_write = dlsym(RTLD_NEXT, "write");
  if (path == NULL || folder == NULL) return;
  int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  /* A high number: a program that closes all low ones must not close this. */
  log_file = fcntl(file, F_DUPFD_CLOEXEC, 3000);
}

/* The folder itself, too: syncing it makes what was unlinked stay away. */
static int is_ours(const char *path) { return folder != NULL && strncmp(path, folder, strlen(folder) - 1) == 0; }
static const char *path_of(int file) { return file >= 0 && file < MOST_FILES ? paths[file] : NULL; }

static void record(char operation, const char *path, uint64_t offset, uint64_t length, const void *data) {
  char head[8192];
  uint16_t path_length = strlen(path);
  size_t at = 0;
  if (log_file < 0 || path_length > 4096) return;
  head[at++] = operation;
  memcpy(head + at, &path_length, 2), at += 2;
  memcpy(head + at, path, path_length), at += path_length;
  memcpy(head + at, &offset, 8), at += 8;
  memcpy(head + at, &length, 8), at += 8;
  pthread_mutex_lock(&lock);
  real_write(log_file, head, at);
  if (data != NULL) real_write(log_file, data, length);
  pthread_mutex_unlock(&lock);
}

static void track(int file, const char *path) {
  if (file < 0 || file >= MOST_FILES) return;
  free(paths[file]);
  paths[file] = is_ours(path) ? strdup(path) : NULL;
}

#define OPEN(name)                                                                     \
  int name(const char *path, int flags, ...) {                                         \
    static int (*real)(const char *, int, ...);                                        \
    if (real == NULL) real = dlsym(RTLD_NEXT, #name);                                  \
    mode_t mode = 0;                                                                   \
    if (flags & O_CREAT) {                                                             \
      va_list rest;                                                                    \
      va_start(rest, flags);                                                           \
      mode = va_arg(rest, int);                                                        \
      va_end(rest);                                                                    \
    }                                                                                  \
    int file = real(path, flags, mode);                                                \
    track(file, path);                                                                 \
    if (path_of(file) != NULL && (flags & O_TRUNC)) record('T', path_of(file), 0, 0, NULL); \
    return file;                                                                       \
  }
OPEN(open)
OPEN(open64)

#define PWRITE(name, off)                                                              \
  ssize_t name(int file, const void *data, size_t length, off offset) {                \
    static ssize_t (*real)(int, const void *, size_t, off);                            \
    if (real == NULL) real = dlsym(RTLD_NEXT, #name);                                  \
    ssize_t done = real(file, data, length, offset);                                   \
    if (done > 0 && path_of(file) != NULL) record('W', path_of(file), offset, done, data); \
    return done;                                                                       \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int file, const void *data, size_t length) {
  if (real_write == NULL) real_write = dlsym(RTLD_NEXT, "write");
  ssize_t done = real_write(file, data, length);
  /* Behind the write, so that a file opened for appending tells where it went. */
  if (done > 0 && path_of(file) != NULL) record('W', path_of(file), lseek(file, 0, SEEK_CUR) - done, done, data);
  return done;
}

#define TRUNCATE(name, off)                                                            \
  int name(int file, off length) {                                                     \
    static int (*real)(int, off);                                                      \
    if (real == NULL) real = dlsym(RTLD_NEXT, #name);                                  \
    int failed = real(file, length);                                                   \
    if (!failed && path_of(file) != NULL) record('T', path_of(file), length, 0, NULL); \
    return failed;                                                                     \
  }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name)                                                                     \
  int name(int file) {                                                                 \
    static int (*real)(int);                                                           \
    if (real == NULL) real = dlsym(RTLD_NEXT, #name);                                  \
    int failed = real(file);                                                           \
    if (!failed && path_of(file) != NULL) record('S', path_of(file), 0, 0, NULL);      \
    return failed;                                                                     \
  }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
  static int (*real)(const char *);
  if (real == NULL) real = dlsym(RTLD_NEXT, "unlink");
  int failed = real(path);
  if (!failed && is_ours(path)) record('U', path, 0, 0, NULL);
  return failed;
}

int close(int file) {
  static int (*real)(int);
  if (real == NULL) real = dlsym(RTLD_NEXT, "close");
  if (path_of(file) != NULL) free(paths[file]), paths[file] = NULL;
  return real(file);
}
