#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cache/types.hpp"
#include "support/coherence_rig.hpp"
#include "support/coherence_state.hpp"

namespace anteroom::test {

[[nodiscard]] std::string_view name_of(Action action);
[[nodiscard]] std::string_view name_of(Violation violation);

/// Visits every State that can be reached within a Scope, nearest first, until there are no more or a property fails.
///
/// States are told apart by a 64-bit hash of their bytes, which keeps the memory small: with five million states, the
/// chance that two share a hash, and that one of them is left out, is below one in a million.
///
/// Real objects cannot be copied, so a step of the proxy is tried by doing all those before it anew. A step of the
/// server alone needs none of that.
class StateExplorer {
 public:
  struct Result {
    Violation violation = Violation::kNone;
    std::uint64_t states = 0;
    std::uint64_t replays = 0;
    std::string trace;  ///< the shortest way to the violation, a line per step
  };

  StateExplorer(const Scope& scope, const cache::Rules& rules) : scope_(scope), rig_(rules) {}
  [[nodiscard]] Result run();

 private:
  /// How a state was reached first. Kept for all of them, unlike the states.
  struct Step {
    std::uint32_t before = 0;
    Action action{};
  };
  struct Reached {
    State state;
    std::uint32_t step = 0;
  };
  /// Open addressing; 0 marks a free place, so a hash of 0 counts as 1.
  class Hashes {
   public:
    /// False if it is there already.
    bool insert(std::uint64_t hash);

   private:
    void grow();
    std::vector<std::uint64_t> places_ = std::vector<std::uint64_t>(1 << 16);
    std::size_t size_ = 0;
  };

  void expand(const Reached& reached);
  [[nodiscard]] Violation try_step(const Reached& reached, Action action, State& state);
  /// What was done to reach a state, first action first.
  [[nodiscard]] std::vector<Action> path_to(std::uint32_t step) const;
  [[nodiscard]] State start() const;
  [[nodiscard]] State replay(const std::vector<Action>& path);
  [[nodiscard]] std::string describe(const State& state) const;
  [[nodiscard]] std::string trace(const Reached& reached, Action last);

  const Scope scope_;
  CoherenceRig rig_;
  Hashes seen_;
  std::vector<Step> steps_;  // the first is not a step: where everything starts
  std::vector<Reached> next_;
  std::vector<Action> path_;  // of the state that is being expanded
  Result result_;
};

}  // namespace anteroom::test
