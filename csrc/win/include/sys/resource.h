#ifndef CAMB_WIN_RESOURCE_H
#define CAMB_WIN_RESOURCE_H

#define RLIMIT_NOFILE 7
#define RLIM_INFINITY (~0ULL)
struct rlimit {
  unsigned long long rlim_cur;
};
int getrlimit (int what, struct rlimit *limit);

#endif
