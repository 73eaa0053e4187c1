#pragma once

#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace anteroom::test {

/// One command whose reply is compared: between protocols, and between a server and what stands before it.
struct Probe {
  enum Flag : unsigned {
    kAnyOrder = 1U << 0,  ///< elements of its reply, at any depth, may come in any order: sets and hash tables
    kVolatile = 1U << 1,  ///< times, ids, random choices, memory: only types and sizes can be compared
    kDirect = 1U << 2,    ///< about the connection or the server: the front-end answers itself, or refuses
  };

  // Implicit, so that a list of commands is a list of probes.
  Probe(const char* line, unsigned flag_bits = 0, std::vector<const char*> lines_before = {})
      : command(line), flags(flag_bits), before(std::move(lines_before)) {}

  std::string_view command;  ///< a line for words()
  unsigned flags;
  std::vector<const char*> before;  ///< after the group's setup, on the same connection: mostly MULTI and its queue
};

/// Probes that begin with the same keys. Each of them is run on its own: everything is flushed, then `setup` is run,
/// then what comes before the probe, then the probe.
struct ProbeGroup {
  const char* name;
  std::vector<const char*> setup;
  std::vector<Probe> probes;
};

/// Commands of all classes, with replies of all types and shapes: deterministic, for redis-server 7.0 with
/// `--enable-debug-command yes`. Lives as long as the program.
[[nodiscard]] std::span<const ProbeGroup> probe_corpus();

/// Parts of it, by file.
[[nodiscard]] std::vector<ProbeGroup> probes_of_values();
[[nodiscard]] std::vector<ProbeGroup> probes_of_streams();
[[nodiscard]] std::vector<ProbeGroup> probes_of_servers();

}  // namespace anteroom::test
