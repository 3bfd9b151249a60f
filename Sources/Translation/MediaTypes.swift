// SPDX-License-Identifier: MIT
import Jansson
import JSONText

/// Tells what a file is: by its first bytes, else by its media type and its name.
enum MediaTypes {
  /// The image types of the Messages API.
  static let images = "image/jpeg, image/png, image/gif or image/webp"

  /// The type that the first bytes show, of those that the Messages API takes in base64; nil for any other.
  ///
  /// Clients often name a wrong type for an image, and the API refuses an image whose type is wrong.
  static func shown(by base64: JSON) -> String? {
    let bytes = base64.withStoredText { Base64.decode($0.cut(0, min($0.count, 16))) ?? [] } ?? []
    if bytes.starts(with: [0xFF, 0xD8, 0xFF]) { return "image/jpeg" }
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) { return "image/png" }
    if bytes.starts(with: "GIF".utf8) { return "image/gif" }
    if bytes.starts(with: "RIFF".utf8), bytes.count < 12 || bytes[8...].starts(with: "WEBP".utf8) {
      return "image/webp"
    }
    if bytes.starts(with: "%PDF-".utf8) { return "application/pdf" }
    return nil
  }

  /// Whether a media type is that of text.
  static func isText(_ type: String) -> Bool {
    guard !type.hasPrefix("text/") else { return true }
    guard let slash = type.firstIndex(of: "/") else { return false }
    var name = type[type.index(after: slash)...]
    // RFC 6838's suffixes: `application/ld+json`, `image/svg+xml`.
    if let plus = name.lastIndex(of: "+") { name = name[name.index(after: plus)...] }
    if name.hasPrefix("x-") { name = name.dropFirst(2) }
    return textNames.contains(String(name))
  }

  /// Whether a media type says nothing of what a file is.
  static func saysNothing(_ type: String) -> Bool {
    ["", "application/octet-stream", "binary/octet-stream", "application/unknown", "application/x-unknown", "*/*"]
      .contains(type)
  }

  /// Whether a file of that name is text.
  static func isText(fileName name: String) -> Bool {
    let last = name.split { $0 == "/" || $0 == "\\" }.last.map { $0.lowercased() } ?? ""
    let ending = last.lastIndex(of: ".").map { last[last.index(after: $0)...] } ?? Substring(last)
    return textNames.contains(String(ending))
  }

  /// Names of text formats, as media types and as file names have them.
  private static let textNames: Set<String> = Set(
    """
    adoc asc asciidoc asm awk bash bat bib c cc cfg clj cls cmake cmd conf config cpp cs csh css csv cts cxx dart diff
    dockerfile ecmascript el elm env erl ex exs f90 fish fs go gradle graphql groovy h handlebars hbs hcl hh hpp hs htm
    html http ics ini ipynb java javascript jl js json json5 jsonc jsonl jsonlines jsx kt kts latex less license lisp
    log lua m makefile markdown md mdx mjs ml mm mts ndjson nim nix org pas patch perl php pl plist pm po powershell
    properties proto ps1 psql py pyi python r rb readme rs rst rtx ruby rust sass scala scm scss sgml sh shellscript sol
    sparql sql srt svelte svg swift tcl tex text tf tfvars toml ts tsv tsx txt typescript vb vim vtt vue wsdl xhtml xml
    xsd xsl xslt yaml yml zig zsh
    """.split(whereSeparator: \.isWhitespace).map(String.init))
}
