#pragma once

#include <span>
#include <string>

namespace anteroom::app {

/// `anteroom cli --quic [options] [command]`: one command, or a script from standard input, over one QUIC connection.
/// Each line of the script has a stream of its own, and all lines go at the same time, up to an empty line, which waits
/// for those before; commands of one line, set apart by " ; ", are a pipeline of its stream. Replies are printed in the
/// order of the script; a line that cannot be read ends it, behind the replies to those before. `arguments` are those
/// behind "cli". Returns the exit status: 1 if something failed on the way, 2 for bad arguments and such a line; errors
/// that Redis replies are replies.
[[nodiscard]] int run_cli(std::span<const std::string> arguments);

}  // namespace anteroom::app
