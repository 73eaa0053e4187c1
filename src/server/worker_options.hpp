#pragma once

#include "cache/cache.hpp"
#include "config/options.hpp"
#include "server/worker.hpp"

namespace anteroom::server {

/// What a worker needs of the configuration, in the types of those who use it.
[[nodiscard]] WorkerOptions worker_options(const config::Options& options, unsigned number, unsigned workers);
[[nodiscard]] cache::Options cache_options(const config::Options& options, unsigned workers);

}  // namespace anteroom::server
