#pragma once

#include "support/coherence_rig.hpp"
#include "support/coherence_state.hpp"

/// What may happen in a State and what it leads to: COHERENCE.md A.2 for the server and its channels, the real code for
/// the proxy. A half-open connection needs no action of its own: it is one from which nothing is delivered while time
/// passes, and it ends by a loss or by delivering everything late.
namespace anteroom::test {

[[nodiscard]] bool is_enabled(const State& state, Action action, const Scope& scope);
/// Whether only the server and the channels take part. Then step() needs no rig.
[[nodiscard]] bool is_server_step(Action action);

/// Does an enabled action of the server or of somebody else.
[[nodiscard]] Violation server_step(State& state, Action action);
/// Does an enabled action in which the proxy takes part. `rig` has done all those before. What the proxy shows of
/// itself has no influence on that; after the last step, look_at() brings it up to date and judges it.
[[nodiscard]] Violation proxy_step(State& state, Action action, CoherenceRig& rig);
[[nodiscard]] Violation look_at(State& state, const CoherenceRig& rig);
/// Part of server_step() and look_at(): with nothing under way nobody will ever correct an entry, so it must be what
/// the server has.
[[nodiscard]] Violation settled(const State& state);

}  // namespace anteroom::test
