#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kv_load/keys.hpp"

namespace anteroom::kv_load {

/// What is spoken to the server: RESP2, or memcached's text protocol.
enum class Protocol : std::uint8_t { kResp, kMemcached };

/// A request of fixed length, written once; of each one that is sent only the digits of its keys are its own. Owns its
/// text and does not change, so any thread may read it.
class RequestForm {
 public:
  [[nodiscard]] std::size_t bytes() const { return text_.size(); }

  /// Appends a request for the keys whose numbers `next_key()` gives.
  template <class NextKey>
  void append(std::string& out, NextKey&& next_key) const {
    const std::size_t begin = out.size();
    out += text_;
    std::uint32_t key = 0;
    for (std::size_t i = 0; i < digit_places_.size(); ++i) {
      if (i == 0 || !is_of_one_key_) key = next_key();
      keys_.put_digits(out.data() + begin + digit_places_[i], key);
    }
  }

  static RequestForm get(Protocol protocol, const KeyFormat& keys) {
    RequestForm form(keys);
    if (protocol == Protocol::kResp) {
      form.text_ = "*2\r\n$3\r\nGET\r\n";
      form.add_bulk_key();
    } else {
      form.text_ = "get ";
      form.add_key();
      form.text_ += "\r\n";
    }
    return form;
  }

  /// Two commands of RESP about one key, which have two replies.
  static RequestForm get_and_pttl(const KeyFormat& keys) {
    RequestForm form = get(Protocol::kResp, keys);
    form.text_ += "*2\r\n$4\r\nPTTL\r\n";
    form.add_bulk_key();
    form.is_of_one_key_ = true;
    return form;
  }

  static RequestForm mget(const KeyFormat& keys, std::size_t count) {
    RequestForm form(keys);
    form.text_ = "*" + std::to_string(count + 1) + "\r\n$4\r\nMGET\r\n";
    for (std::size_t i = 0; i < count; ++i) form.add_bulk_key();
    return form;
  }

  static RequestForm set(Protocol protocol, const KeyFormat& keys, std::size_t value_bytes) {
    RequestForm form(keys);
    if (protocol == Protocol::kResp) {
      form.text_ = "*3\r\n$3\r\nSET\r\n";
      form.add_bulk_key();
      form.text_ += "$" + std::to_string(value_bytes) + "\r\n";
    } else {
      form.text_ = "set ";
      form.add_key();
      form.text_ += " 0 0 " + std::to_string(value_bytes) + "\r\n";
    }
    form.text_.append(value_bytes, 'x');
    form.text_ += "\r\n";
    return form;
  }

 private:
  explicit RequestForm(KeyFormat keys) : keys_(std::move(keys)) {}

  void add_key() {
    text_ += keys_.prefix;
    digit_places_.push_back(text_.size());
    text_.append(keys_.width, '0');
  }
  void add_bulk_key() {
    text_ += "$" + std::to_string(keys_.bytes()) + "\r\n";
    add_key();
    text_ += "\r\n";
  }

  KeyFormat keys_;
  std::string text_;
  std::vector<std::size_t> digit_places_;
  bool is_of_one_key_ = false;
};

/// How long the reply to a GET (or, with `mget` above 0, an MGET) is whose keys all have values.
inline std::size_t reply_bytes(Protocol protocol, const KeyFormat& keys, std::size_t value_bytes, std::size_t mget) {
  const std::size_t digits = std::to_string(value_bytes).size();
  if (protocol == Protocol::kMemcached) {
    constexpr std::string_view kRest = "VALUE  0 \r\n\r\nEND\r\n";
    return kRest.size() + keys.bytes() + digits + value_bytes;
  }
  const std::size_t one = std::string_view("$\r\n\r\n").size() + digits + value_bytes;
  return mget == 0 ? one : std::string_view("*\r\n").size() + std::to_string(mget).size() + mget * one;
}

/// How long the reply to a SET is that was done.
inline std::size_t reply_bytes_of_set(Protocol protocol) {
  return std::string_view(protocol == Protocol::kMemcached ? "STORED\r\n" : "+OK\r\n").size();
}

}  // namespace anteroom::kv_load
