#include "net/proxy_protocol.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace anteroom::net {
namespace {

using Step = ProxyHeader::Step;

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string header(unsigned version_and_command, unsigned family, const std::string& payload) {
  std::string out(kSignature);
  for (const std::size_t byte :
       {std::size_t{version_and_command}, std::size_t{family}, payload.size() >> 8, payload.size() & 255}) {
    out += static_cast<char>(byte);
  }
  return out + payload;
}

const std::string kIpv4("\x0A\x01\x02\x03\x7F\x00\x00\x01\x1F\x90\x18\xEB", 12);  // 10.1.2.3:8080 to 127.0.0.1:6379

std::string ipv6() {
  std::string out("\x20\x01\x0D\xB8", 4);
  out += std::string(11, '\0') + '\x07';
  out += std::string(15, '\0') + '\x01';
  return out + std::string("\x00\x50\x18\xEB", 4);
}

std::string client_of(const std::string& bytes) {
  const ProxyHeader parsed = parse_proxy_header(bytes);
  if (parsed.step != Step::kDone) return "not done";
  return parsed.client ? parsed.client->to_string() : "none";
}

std::string error_of(const std::string& bytes) {
  const ProxyHeader parsed = parse_proxy_header(bytes);
  return parsed.step == Step::kError ? std::string(parsed.error) : "no error";
}

TEST(ProxyProtocol, TheClientsAddressIsTheSource) {
  EXPECT_EQ(client_of(header(0x21, 0x11, kIpv4)), "10.1.2.3:8080");
  EXPECT_EQ(client_of(header(0x21, 0x21, ipv6())), "[2001:db8::7]:80");
  std::string unix_names = "/run/a.sock";
  unix_names.resize(216);
  EXPECT_EQ(client_of(header(0x21, 0x31, unix_names)), "unix:/run/a.sock");
}

TEST(ProxyProtocol, ExtensionsBehindTheAddressesAreSkipped) {
  const std::string bytes = header(0x21, 0x11, kIpv4 + std::string("\x04\x00\x03xyz", 6));
  EXPECT_EQ(client_of(bytes), "10.1.2.3:8080");
  EXPECT_EQ(parse_proxy_header(bytes).bytes, bytes.size());
}

TEST(ProxyProtocol, WhatFollowsTheHeaderIsNotPartOfIt) {
  const std::string bytes = header(0x21, 0x11, kIpv4);
  const ProxyHeader parsed = parse_proxy_header(bytes + "PING\r\n");
  EXPECT_EQ(parsed.step, Step::kDone);
  EXPECT_EQ(parsed.bytes, bytes.size());
}

TEST(ProxyProtocol, AProxyThatSpeaksForItselfOrDoesNotKnowHasNoClient) {
  EXPECT_EQ(client_of(header(0x20, 0x00, "")), "none");
  EXPECT_EQ(client_of(header(0x20, 0x11, kIpv4)), "none");
  EXPECT_EQ(client_of(header(0x20, 0x11, "")), "none");
  EXPECT_EQ(client_of(header(0x21, 0x00, "")), "none");
  EXPECT_EQ(client_of(header(0x21, 0x31, std::string(216, '\0'))), "none");
}

TEST(ProxyProtocol, EveryCutOfAHeaderAsksForMoreButNeverBeyondItsEnd) {
  for (const std::string& whole : {header(0x21, 0x11, kIpv4), header(0x21, 0x21, ipv6()), header(0x20, 0, "")}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const ProxyHeader parsed = parse_proxy_header(std::string_view(whole).substr(0, size));
      ASSERT_EQ(parsed.step, Step::kNeedMore) << size;
      EXPECT_GT(parsed.bytes, size);
      EXPECT_LE(parsed.bytes, whole.size());
    }
    EXPECT_EQ(parse_proxy_header(whole).step, Step::kDone);
  }
}

TEST(ProxyProtocol, AnotherBeginningIsRefusedAtItsFirstWrongByte) {
  const std::string whole = header(0x21, 0x11, kIpv4);
  for (std::size_t i = 0; i < kSignature.size(); ++i) {
    std::string wrong = whole.substr(0, i + 1);
    wrong[i] = static_cast<char>(wrong[i] ^ 1);
    EXPECT_EQ(error_of(wrong), "no PROXY header of version 2") << i;
  }
  EXPECT_EQ(error_of("PROXY TCP4 10.1.2.3 127.0.0.1 8080 6379\r\n"), "no PROXY header of version 2");
  EXPECT_EQ(error_of("PING\r\n"), "no PROXY header of version 2");
}

TEST(ProxyProtocol, UnknownVersionsAndCommandsAreRefused) {
  for (const unsigned byte : {0x00U, 0x11U, 0x22U, 0x2FU, 0x31U, 0xFFU}) {
    EXPECT_EQ(error_of(header(byte, 0x11, kIpv4)), "unknown version or command") << byte;
  }
}

TEST(ProxyProtocol, AddressesThatAreNotOfAStreamAreRefused) {
  for (const unsigned family : {0x01U, 0x10U, 0x12U, 0x13U, 0x22U, 0x32U, 0x41U, 0xFFU}) {
    EXPECT_EQ(error_of(header(0x21, family, std::string(216, 'x'))), "not the addresses of a stream") << family;
  }
}

TEST(ProxyProtocol, AHeaderTooShortForItsAddressesIsRefused) {
  EXPECT_EQ(error_of(header(0x21, 0x11, kIpv4.substr(1))), "the header is too short for its addresses");
  EXPECT_EQ(error_of(header(0x21, 0x21, ipv6().substr(1))), "the header is too short for its addresses");
  EXPECT_EQ(error_of(header(0x21, 0x31, std::string(215, 'x'))), "the header is too short for its addresses");
  EXPECT_EQ(error_of(header(0x21, 0x11, "")), "the header is too short for its addresses");
}

TEST(ProxyProtocol, AnEndlessHeaderIsRefusedBeforeItIsReceived) {
  const std::string largest = header(0x21, 0x11, kIpv4 + std::string(kProxyHeaderBytesMax - 16 - 12, 'x'));
  EXPECT_EQ(client_of(largest), "10.1.2.3:8080");
  const std::string larger = header(0x21, 0x11, kIpv4 + std::string(kProxyHeaderBytesMax - 16 - 11, 'x'));
  EXPECT_EQ(error_of(larger.substr(0, 16)), "the header is too long");
}

}  // namespace
}  // namespace anteroom::net
