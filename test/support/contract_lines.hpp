#pragma once

#include "support/contract_script.hpp"

namespace anteroom::test {

/// Every command and subcommand of the table with too few arguments (its name alone, and one less than it needs), and
/// with too many where their number is fixed. None of these lines runs anything.
[[nodiscard]] ContractScript script_of_wrong_arities();

/// The same of commands that are younger than the server, which to it are unknown.
[[nodiscard]] ContractScript script_of_newer_commands();

/// Every command on keys, with all its keys of a type that mostly is the wrong one: a string, a list and a hash. The
/// keys are made anew before each line.
[[nodiscard]] ContractScript script_of_wrong_types();

}  // namespace anteroom::test
