#pragma once

#include "config/loader.hpp"
#include "config/origin.hpp"

namespace anteroom::config {

/// What takes more than one option to decide: where Redis is and as whom we go there, and values that contradict each
/// other. Fills `options.upstream.target`, leaves no password in `options.upstream.given`, and adds to `errors`.
/// Options that `errors` already names are not judged again.
void resolve(Options& options, Origins& origins, const FileReader& read, Errors& errors);

}  // namespace anteroom::config
