// swift-tools-version: 6.2
// SPDX-License-Identifier: MIT
//
// The map of the project. Rooms (libraries) stand in the order of their arrows: each imports only those above it, and
// siblings never import each other (scripts/check-rooms holds them to it). Each program is thin: options, then a call.
import PackageDescription

let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// A room: a library that the programs share; and the man page of what it defines, where there is one.
func room(
  _ name: String, _ needs: Target.Dependency..., embedding data: String..., page: String? = nil,
  linking: [LinkerSetting] = []
) -> Target {
  .target(
    name: name, dependencies: needs, exclude: page.map { [$0] } ?? [], resources: data.map { .embedInCode($0) },
    swiftSettings: strict, linkerSettings: linking)
}

/// A program: its options and its main, and its man page beside it. All are in one shared library, so that each executable
/// file is a few lines of C that call one main of it (the Makefile links them): they share its pages, and are small.
func program(_ name: String, _ needs: Target.Dependency...) -> Target {
  .target(
    name: name,
    dependencies: needs + ["Program", .product(name: "ArgumentParser", package: "swift-argument-parser")],
    exclude: ["\(name).1"], swiftSettings: strict)
}

/// What is tested inside the process; the built programs are tested from outside (scripts/test).
func tests(_ name: String, _ needs: Target.Dependency...) -> Target {
  .testTarget(name: name, dependencies: needs, swiftSettings: strict)
}

let package = Package(
  name: "claude-proxy",
  products: [
    .library(
      name: "claude-proxy", type: .dynamic,
      targets: [
        "http-frontd", "rate-limit", "model-map", "oai2anth", "anth2oai", "resp2anth", "anth2resp", "responses-store",
        "sse-encode", "claude-exec", "claude-http", "claude-echo", "claude-pipe",
      ])
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
  ],
  targets: [
    // JSON by Jansson.
    .systemLibrary(name: "CJansson", providers: [.apt(["libjansson-dev"])]),
    // The file of responses, by SQLite.
    .systemLibrary(name: "CSQLite", providers: [.apt(["libsqlite3-dev"])]),
    // HTTP and TLS by libcurl, which is loaded when the first of its functions is called.
    .target(name: "CCurl"),
    // What Glibc's module lacks: epoll, pidfds, signalfds, the allocator's settings.
    .target(name: "CLinux"),
    // Searches of bytes for which Swift needs many more instructions.
    .target(name: "CBytes"),
    // What the server says of its interface. Data.
    .target(name: "COpenAPI", exclude: ["openapi.json"]),

    // JSON as bytes: the buffer, scanning, escaping, checking. No tree.
    room("JSONText", "CBytes"),
    // JSON as a value. The only room that knows Jansson.
    room("Jansson", "CJansson", "JSONText", linking: [.linkedLibrary("jansson")]),
    // The contract between the programs: lines, envelopes, bare bodies, the run loop.
    room("Records", "Jansson", "JSONText", page: "claude-records.5"),
    // The operator's log lines.
    room("Logs", "Records", "JSONText"),
    // Addresses of clients: which are this machine's own, and which count as one client.
    room("Addresses"),
    // Waiting on many descriptors and timers at once.
    room("Reactor", "CLinux"),
    // The private folder of a running proxy, and memory that processes share by a file.
    room("SharedFile", "Records"),
    // The model table: names, successors, capabilities. Data.
    room("Models", "Records", "Jansson", "JSONText", embedding: "models.json"),
    // What every main shares: options, standard input and output, log lines, statuses.
    room(
      "Program", "CLinux", "Models", "Records", "Reactor", "Logs", "Jansson", "JSONText",
      .product(name: "ArgumentParser", package: "swift-argument-parser")),

    // Answers to HTTP: server-sent events and JSON bodies.
    room("EventStream", "Records", "JSONText"),
    // Between the two vendors' APIs. Pure.
    room("Translation", "Models", "Records", "Jansson", "JSONText"),
    // Earlier responses, in a file that processes share. The only room that knows SQLite.
    room("ResponsesStore", "CSQLite", "SharedFile", "Records", "Jansson", "JSONText"),
    // Who may pass, by token buckets.
    room("RateLimit", "Addresses", "SharedFile", "Records", "JSONText"),
    // Answers without a model: an echo, or a script.
    room("Echo", "Models", "Records", "Reactor", "Jansson", "JSONText"),
    // Messages requests by way of the Claude Code CLI: the only room that knows its flags, files and lines.
    room(
      "ClaudeCLI", "Models", "SharedFile", "Records", "Reactor", "Logs", "Jansson", "JSONText", "CLinux"),

    // Messages requests by way of HTTP. The only room that knows libcurl.
    room("MessagesAPI", "CCurl", "CLinux", "Records", "Reactor", "Logs", "Jansson", "JSONText"),

    // HTTP to records and back, and the pipeline's life. Knows no model, no token, neither API's bodies.
    room(
      "HTTPFront", "Addresses", "SharedFile", "CLinux", "COpenAPI", "Records", "Logs", "JSONText",
      .product(name: "NIOCore", package: "swift-nio"),
      .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio")),

    program("http-frontd", "HTTPFront", "Logs", "Records", .product(name: "NIOCore", package: "swift-nio")),
    program("model-map", "Models", "Records"),
    program("rate-limit", "RateLimit", "Records"),
    program("oai2anth", "Translation", "Records"),
    program("anth2oai", "Translation", "Records"),
    program("resp2anth", "Translation", "Records"),
    program("anth2resp", "Translation", "Records"),
    program("responses-store", "ResponsesStore", "Records"),
    program("sse-encode", "EventStream"),
    program("claude-echo", "Echo", "Models", "Reactor", "Logs", "Records"),
    program("claude-exec", "ClaudeCLI", "Models", "Reactor", "Logs", "Records"),
    program("claude-http", "MessagesAPI", "Reactor", "Logs", "Records"),
    // All of them but the front, in one process.
    program(
      "claude-pipe", "rate-limit", "responses-store", "model-map", "oai2anth", "resp2anth", "claude-exec",
      "claude-http", "claude-echo", "anth2oai", "anth2resp", "sse-encode", "CLinux", "Logs", "Records", "JSONText"),

    tests("JSONTextTests", "Jansson", "JSONText"),
    tests("JanssonTests", "Jansson", "JSONText"),
    tests("RecordsTests", "Records", "JSONText"),
    tests("AddressesTests", "Addresses"),
    tests("LogsTests", "Logs", "Records", "JSONText"),
    tests("ModelsTests", "Models", "Records", "JSONText"),
    tests("TranslationTests", "EventStream", "Translation", "Models", "Records", "Jansson", "JSONText"),
    tests("RateLimitTests", "RateLimit", "Records"),
    tests("ResponsesStoreTests", "ResponsesStore", "Records", "Jansson", "JSONText"),
    tests(
      "GoldenTests", "Translation", "EventStream", "RateLimit", "ResponsesStore", "Echo", "Models", "Reactor",
      "Records",
      "JSONText"),
    tests("ClaudeCLITests", "ClaudeCLI", "Models", "Records", "Reactor", "Logs", "Jansson", "JSONText"),
    tests(
      "HTTPFrontTests", "HTTPFront", "Addresses", "JSONText", "Logs", "Records",
      .product(name: "NIOCore", package: "swift-nio"),
      .product(name: "NIOEmbedded", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio")),
    tests("MessagesAPITests", "MessagesAPI", "Records", "JSONText"),
  ]
)

// Built by scripts/fuzz alone, since it needs libFuzzer's main and its marks in every room.
if Context.environment["FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "fuzz",
      dependencies: [
        "HTTPFront", "ClaudeCLI", "EventStream", "MessagesAPI", "Translation", "Models", "Logs", "Records", "Jansson",
        "JSONText",
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOEmbedded", package: "swift-nio"),
      ],
      path: "Tests/Fuzz", exclude: ["seeds.py", "answer_seeds.py"], swiftSettings: strict))
}
