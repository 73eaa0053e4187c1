#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "support/probe_corpus.hpp"
#include "support/resp_client.hpp"

namespace anteroom::test {

/// The probe's bytes as they came, with the attribute before them if there is one.
std::string ask_line(RespClient& client, std::string_view line);

/// Flushes everything and makes the state that the probe begins with.
void set_up(RespClient& client, const ProbeGroup& group, const Probe& probe);

/// What RESP2 makes of the probe's reply in RESP3, in a form for messages when that goes wrong ("<not converted>").
[[nodiscard]] std::string converted_to_resp2(const Probe& probe, std::string_view reply);

/// The command that the probe's reply needs a shape for, as Facts::name; empty if its types say all. `reply` is in
/// RESP3.
[[nodiscard]] std::string_view command_with_shape(const Probe& probe, std::string_view reply);

/// All commands that have a shape, with enough arguments to have it.
[[nodiscard]] std::set<std::string_view> commands_with_shape();

/// True for commands that only read: asked again, they answer the same, maybe from a cache.
[[nodiscard]] bool only_reads(const Probe& probe);

/// What must be equal of two replies to this probe: the bytes, or less if its flags say so.
[[nodiscard]] std::string comparable(const Probe& probe, const std::string& reply);

/// "Strings: GET s", with what comes before the probe.
[[nodiscard]] std::string describe(const ProbeGroup& group, const Probe& probe);

}  // namespace anteroom::test
