#pragma once

#include <sched.h>
#include <sys/resource.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

// What the bench's own programs do as programs: end in words, read numbers of their command lines, see to their limits
// and know what they cost. All of it concerns the whole process; call it from its first thread.
namespace anteroom::kv_load {

/// Ends the program with status 1 and a line that begins with its name.
[[noreturn]] inline void die(const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, why.c_str());
  std::_Exit(1);
}
[[noreturn]] inline void die_of_errno(const std::string& what) { die(what + ": " + std::strerror(errno)); }

/// The number that is all of `text`, as far as the type of `out` holds it; anything else ends the program.
template <class Number>
void read_number(const char* text, Number& out) {
  const std::string_view all(text);
  const auto parsed = std::from_chars(all.data(), all.data() + all.size(), out);
  if (parsed.ec != std::errc{} || parsed.ptr != all.data() + all.size()) die(std::string(all) + " is no number here");
}

inline void pin_to_core(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(core), &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) die_of_errno("cannot run on core " + std::to_string(core));
}

/// As many as the hard limit has. Where that is too few, the connection that is one too many says so.
inline void allow_many_files() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// User and system time of all threads since the program began.
inline double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace anteroom::kv_load
