#include "server/fd_limit.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace anteroom::server {
namespace {

// Listeners, log, resolver, signals and what libraries open.
constexpr std::size_t kReserved = 32;
// Loop, mailbox, fill connection and the links of the dbs that are usually in use.
constexpr std::size_t kPerWorker = 24;

}  // namespace

std::size_t fit_clients_into_fd_limit(std::size_t maxclients, std::size_t workers) {
  const std::size_t own = kReserved + workers * kPerWorker;
  const std::size_t wanted = maxclients + own;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return maxclients;
  if (limit.rlim_cur < wanted) {
    rlimit raised = limit;
    raised.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  if (limit.rlim_cur >= wanted) return maxclients;
  return limit.rlim_cur > own ? limit.rlim_cur - own : 1;
}

}  // namespace anteroom::server
