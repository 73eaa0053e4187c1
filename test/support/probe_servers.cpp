#include "support/probe_corpus.hpp"

namespace anteroom::test {
namespace {

constexpr unsigned kAnyOrder = Probe::kAnyOrder;
constexpr unsigned kVolatile = Probe::kVolatile;
constexpr unsigned kDirect = Probe::kDirect;

ProbeGroup servers() {
  return {"Server",
          {"SET k v"},
          {"PING",
           "PING text",
           "ECHO hello",
           "ECHO",
           {"TIME", kVolatile},
           {"LASTSAVE", kVolatile},
           "DBSIZE",
           {"INFO server", kVolatile},
           {"INFO", kVolatile},
           "INFO nosuchsection",
           "CONFIG GET maxmemory-policy",
           {"CONFIG GET maxmemory*", kAnyOrder},
           "CONFIG GET nope",
           "CONFIG SET nope 1",
           "CONFIG SET maxmemory-policy nope",
           "CONFIG RESETSTAT",
           "CONFIG HELP",
           {"MEMORY STATS", kVolatile | kDirect},
           {"MEMORY DOCTOR", kVolatile},
           "MEMORY PURGE",
           "MEMORY HELP",
           {"LATENCY LATEST", kDirect},
           {"LATENCY DOCTOR", kVolatile},
           "LATENCY HISTORY command",
           "LATENCY GRAPH nope",
           "LATENCY RESET",
           "LATENCY HISTOGRAM nosuch",
           {"LATENCY HISTOGRAM get", kVolatile | kDirect, {"CONFIG RESETSTAT", "GET k"}},
           "LATENCY HELP",
           {"SLOWLOG LEN", kDirect},
           "SLOWLOG RESET",
           {"SLOWLOG GET 1",
            kVolatile | kDirect,
            {"CONFIG SET slowlog-log-slower-than 0", "GET k", "CONFIG SET slowlog-log-slower-than 10000"}},
           "SLOWLOG HELP",
           "ROLE",
           "MODULE LIST",
           "MODULE HELP",
           {"LOLWUT", kVolatile},
           "LOLWUT VERSION 5 1 1 1",
           "PUBLISH channel message",
           "PUBSUB CHANNELS",
           "PUBSUB NUMSUB a b",
           "PUBSUB NUMPAT",
           "PUBSUB SHARDCHANNELS",
           "PUBSUB SHARDNUMSUB a",
           "PUBSUB HELP",
           "SPUBLISH c m",
           "CLUSTER INFO",
           "CLUSTER HELP",
           "NOSUCHCOMMAND a b",
           "GET",
           "CONFIG NOSUCH",
           "OBJECT NOSUCH x",
           {"DEBUG SLEEP 0", kDirect},
           "QUIT x"}};
}

ProbeGroup commands() {
  return {"Commands",
          {},
          {"COMMAND COUNT",
           "COMMAND INFO get",
           "COMMAND INFO get nope mset",
           {"COMMAND INFO xreadgroup zunion sort eval config", kAnyOrder},
           "COMMAND INFO nope",
           "COMMAND DOCS get",
           {"COMMAND DOCS set zadd", kAnyOrder},
           {"COMMAND DOCS xgroup", kAnyOrder},
           "COMMAND DOCS nope",
           "COMMAND GETKEYS MSET a 1 b 2",
           "COMMAND GETKEYS PING",
           "COMMAND GETKEYS NOSUCH",
           "COMMAND GETKEYSANDFLAGS SET a b",
           {"COMMAND GETKEYSANDFLAGS LMOVE a b LEFT LEFT", kAnyOrder},
           {"COMMAND LIST FILTERBY ACLCAT geo", kAnyOrder},
           {"COMMAND LIST FILTERBY PATTERN xa*", kAnyOrder},
           "COMMAND LIST FILTERBY MODULE nope",
           {"COMMAND LIST", kAnyOrder},
           {"COMMAND", kAnyOrder},
           {"COMMAND DOCS", kAnyOrder},
           "COMMAND HELP"}};
}

ProbeGroup users() {
  return {"Users",
          {"ACL DELUSER probe", "ACL LOG RESET"},
          {"ACL WHOAMI",
           {"ACL CAT", kAnyOrder},
           {"ACL CAT geo", kAnyOrder},
           "ACL CAT nope",
           "ACL GETUSER default",
           "ACL GETUSER nope",
           {"ACL GETUSER probe", 0, {"ACL SETUSER probe on >secret ~k* %R~r* &c* +get +@read (~s* +set)"}},
           "ACL LIST",
           "ACL USERS",
           "ACL LOG",
           "ACL LOG RESET",
           {"ACL LOG", kVolatile | kDirect, {"AUTH nope nope"}},
           {"ACL GENPASS", kVolatile},
           "ACL DRYRUN default GET k",
           "ACL DRYRUN nope GET k",
           {"ACL DRYRUN probe SET k v", 0, {"ACL SETUSER probe on nopass ~k* +get"}},
           "ACL SETUSER probe junk",
           "ACL DELUSER nope",
           "ACL SAVE",
           "ACL HELP",
           "AUTH nope nope",
           "AUTH nope"}};
}

ProbeGroup connections() {
  return {"Connection",
          {},
          {{"CLIENT ID", kVolatile},
           {"CLIENT INFO", kVolatile},
           {"CLIENT LIST", kVolatile | kDirect},
           "CLIENT GETNAME",
           {"CLIENT GETNAME", 0, {"CLIENT SETNAME probe"}},
           "CLIENT SETNAME 'a b'",
           {"CLIENT GETREDIR", kDirect},
           {"CLIENT TRACKINGINFO", kDirect},
           {"CLIENT TRACKINGINFO", kDirect, {"CLIENT TRACKING ON BCAST PREFIX a NOLOOP"}},
           {"CLIENT TRACKING OFF", kDirect},
           {"CLIENT CACHING YES", kDirect},
           {"CLIENT UNBLOCK 999999", kDirect},
           {"CLIENT KILL ID 999999", kDirect},
           {"CLIENT NO-EVICT off", kDirect},
           {"CLIENT REPLY ON", kDirect},
           "CLIENT HELP",
           "SELECT 0",
           "SELECT 99",
           "SELECT x",
           "HELLO x",
           "HELLO 9"}};
}

// What no ordinary command sends.
ProbeGroup protocol() {
  return {"Protocol",
          {},
          {{"DEBUG PROTOCOL string", kDirect},
           {"DEBUG PROTOCOL integer", kDirect},
           {"DEBUG PROTOCOL double", kDirect},
           {"DEBUG PROTOCOL null", kDirect},
           {"DEBUG PROTOCOL array", kDirect},
           {"DEBUG PROTOCOL set", kDirect},
           {"DEBUG PROTOCOL map", kDirect},
           {"DEBUG PROTOCOL attrib", kDirect},
           {"DEBUG PROTOCOL bignum", kDirect},
           {"DEBUG PROTOCOL verbatim", kDirect},
           {"DEBUG PROTOCOL true", kDirect},
           {"DEBUG PROTOCOL false", kDirect},
           {"DEBUG PROTOCOL nope", kDirect}}};
}

}  // namespace

std::vector<ProbeGroup> probes_of_servers() { return {servers(), commands(), users(), connections(), protocol()}; }

}  // namespace anteroom::test
