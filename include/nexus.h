/* All of Nexus but its tests. */
#ifndef NEXUS_ALL_H
#define NEXUS_ALL_H

#include <nexus/args.h>
#include <nexus/base.h>
#include <nexus/channel.h>
#include <nexus/compress.h>
#include <nexus/console.h>
#include <nexus/crypto.h>
#include <nexus/csv.h>
#include <nexus/date.h>
#include <nexus/dns.h>
#include <nexus/encode.h>
#include <nexus/env.h>
#include <nexus/events.h>
#include <nexus/fetch.h>
#include <nexus/fiber.h>
#include <nexus/fs.h>
#include <nexus/glob.h>
#include <nexus/host.h>
#include <nexus/http.h>
#include <nexus/json.h>
#include <nexus/jwt.h>
#include <nexus/keys.h>
#include <nexus/log.h>
#include <nexus/module.h>
#include <nexus/net.h>
#include <nexus/permission.h>
#include <nexus/process.h>
#include <nexus/proxy.h>
#include <nexus/regex.h>
#include <nexus/runtime.h>
#include <nexus/semver.h>
#include <nexus/static.h>
#include <nexus/stream.h>
#include <nexus/text.h>
#include <nexus/timer.h>
#include <nexus/tls.h>
#include <nexus/toml.h>
#include <nexus/url.h>
#include <nexus/wasm.h>
#include <nexus/wasm_service.h>
#include <nexus/websocket.h>
#include <nexus/worker.h>

#endif
