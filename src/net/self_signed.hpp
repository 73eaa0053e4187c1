#pragma once

#include <expected>
#include <string>

namespace anteroom::net {

/// SHA-256 of the public key (SubjectPublicKeyInfo) of the first certificate in a PEM file, as 64 hexadecimal digits:
/// what clients pin. The error names the file and the reason.
[[nodiscard]] std::expected<std::string, std::string> key_fingerprint(const std::string& certificate_file);

/// Writes a key (ECDSA, P-256; mode 600) and a certificate for `name` that nobody vouches for, good for ten years.
/// Files that are there are never overwritten. The error names the file and the reason.
[[nodiscard]] std::expected<void, std::string> write_self_signed(const std::string& certificate_file,
                                                                 const std::string& key_file, const std::string& name);

}  // namespace anteroom::net
