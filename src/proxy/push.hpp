#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/byte_queue.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {

/// A message of the server for any number of sessions, in the bytes of their protocols: what RESP3 sends as a push,
/// RESP2 sends as an array. The copies are made when they are first needed. One thread.
class Push {
 public:
  /// `resp3` begins with '>', and its elements are the same in both protocols; else it is passed on to both as it is.
  explicit Push(std::string_view resp3) : resp3_(std::make_shared<std::string>(resp3)) {}

  [[nodiscard]] const base::SharedBytes& bytes(resp::Protocol protocol) {
    if (protocol == resp::Protocol::kResp3 || !resp3_->starts_with('>')) return resp3_;
    if (!resp2_) {
      auto array = std::make_shared<std::string>(*resp3_);
      array->front() = '*';
      resp2_ = std::move(array);
    }
    return resp2_;
  }

 private:
  base::SharedBytes resp3_;
  base::SharedBytes resp2_;
};

}  // namespace anteroom::proxy
