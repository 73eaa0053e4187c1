#pragma once

#include <expected>
#include <string>

#include "config/loader.hpp"
#include "config/origin.hpp"

namespace anteroom::config {

/// What takes more than one option to decide: where Redis is and as whom we go there, and values that contradict each
/// other. Fills `options.upstream.target`, leaves no password in `options.upstream.given`, and adds to `errors`.
/// Options that `errors` already names are not judged again.
void resolve(Options& options, Origins& origins, const FileReader& read, Errors& errors);

/// The password that a file holds, without the newline at its end; the error names the file and the reason.
[[nodiscard]] std::expected<std::string, std::string> read_secret_file(const FileReader& read, const std::string& path);

}  // namespace anteroom::config
