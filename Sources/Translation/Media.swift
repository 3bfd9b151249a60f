// SPDX-License-Identifier: MIT
import Jansson
import JSONText
import Records

// Images and documents, by OpenAI's words and by Anthropic's.
extension ContentParts {
  /// An `image_url` or `input_image` part as a block.
  mutating func image(_ part: JSON, _ mark: JSON?, path: String) throws(APIError) -> JSON {
    let isFlat = part["type"]?.equals("input_image") == true
    let given = part["image_url"]
    let block = JSON(object: ["type": JSON("image")])
    if isFlat { try Self.expectTexts(["file_id"], of: part, path) }
    if isFlat, given == nil || given!.isNull, let id = part["file_id"], id.isString {
      block["source"] = JSON(object: ["type": JSON("file"), "file_id": id])
    } else {
      let path = "\(path).image_url"
      let isBare = given?.isString == true
      guard isBare || given?.isObject == true else {
        throw .expected(
          isFlat ? "a string" : "an object", at: path, got: given, param: isFlat ? path : "\(path).url")
      }
      guard let url = isBare ? given : given?["url"], url.isString else {
        throw .expected("a string", at: "\(path).url", got: given?["url"])
      }
      block["source"] = try imageSource(url, path: isFlat ? path : "\(path).url")
      note(given, known: ["url", "detail"], "\(field).image_url")
    }
    if let detail = isFlat ? part["detail"] : given?["detail"], !detail.isNull, !detail.equals("auto") {
      loss.dropped("\(field).\(isFlat ? "" : "image_url.")detail")
    }
    if let mark, !mark.isNull { block["cache_control"] = mark }
    return block
  }

  private func imageSource(_ url: JSON, path: String) throws(APIError) -> JSON {
    let data: JSON?
    switch DataURL(url) {
    case .web(let url): return JSON(object: ["type": JSON("url"), "url": url])
    case .data(_, let base64): data = base64
    case .other:
      data = Base64.accepted(url)
      if data == nil { throw .invalid("\(path): expected a data: URL in base64 or an http(s) URL", param: path) }
    }
    guard let data else { throw .invalid("\(path): the data is not valid base64", param: path) }
    guard let type = MediaTypes.shown(by: data), type.hasPrefix("image/") else {
      throw .invalid("\(path): the data is not an image of type \(MediaTypes.images)", param: path)
    }
    return Self.base64(type, data)
  }

  private static func base64(_ type: String, _ data: JSON) -> JSON {
    JSON(object: ["type": JSON("base64"), "media_type": JSON(type), "data": data])
  }

  /// A `file` member, or an `input_file` part, as a block.
  mutating func file(_ given: JSON?, _ mark: JSON?, path: String) throws(APIError) -> JSON {
    guard let file = given, file.isObject else { throw .expected("an object", at: path, got: given) }
    let isFlat = file["type"]?.equals("input_file") == true
    try Self.expectTexts(["file_id", "file_data", "file_url", "filename"], of: file, path)
    let name = file["filename"]
    var block = JSON(object: ["type": JSON("document")])
    if let id = file["file_id"], id.isString {
      block["source"] = JSON(object: ["type": JSON("file"), "file_id": id])
    } else if let data = file["file_data"], data.isString {
      block["source"] = try documentSource(data, name: name?.string ?? "", path: "\(path).file_data")
    } else if let url = file["file_url"], url.isString {
      block["source"] = try documentSource(url, name: name?.string ?? "", path: "\(path).file_url")
    } else {
      throw .expected("a string", at: "\(path).file_data", got: file["file_data"])
    }
    if block["source"]?["media_type"]?.hasPrefix("image/") == true {
      block = JSON(object: ["type": JSON("image"), "source": block["source"]])
      if name?.hasVisibleText == true { loss.dropped("\(field)\(isFlat ? "" : ".file").filename") }
    } else if let name, name.isString {
      block["title"] = acceptedTitle(name, "\(field)\(isFlat ? "" : ".file").filename")
    }
    if isFlat, let detail = file["detail"], !detail.isNull, !detail.equals("auto") { loss.dropped("\(field).detail") }
    if !isFlat { note(file, known: ["file_id", "file_data", "file_url", "filename"], "\(field).file") }
    if let mark, !mark.isNull { block["cache_control"] = mark }
    return block
  }

  /// Members that may be left out, and are texts where they are there.
  private static func expectTexts(_ names: [StaticString], of part: JSON, _ path: String) throws(APIError) {
    for name in names {
      guard let value = part[name], !value.isNull, !value.isString else { continue }
      throw .expected("a string", at: "\(path).\(name)", got: value)
    }
  }

  /// A title that the API takes: it refuses one that is empty, and one of more than 500 characters.
  private mutating func acceptedTitle(_ given: JSON, _ field: String) -> JSON? {
    guard given.hasVisibleText else { return nil }
    guard given.withStoredText({ $0.count > TranslationLimits.maxTitle }) == true, let text = given.string,
      text.unicodeScalars.count > TranslationLimits.maxTitle
    else { return given }
    loss.approximated(field, "cut to \(TranslationLimits.maxTitle) characters")
    return JSON(String(String.UnicodeScalarView(text.unicodeScalars.prefix(TranslationLimits.maxTitle))))
  }

  private func documentSource(_ data: JSON, name: String, path: String) throws(APIError) -> JSON {
    var type = ""
    let base64: JSON?
    switch DataURL(data) {
    case .web(let url): return JSON(object: ["type": JSON("url"), "url": url])
    case .data(let said, let data): (type, base64) = (said, data)
    // OpenAI's reference calls it the base64 of the file, and says nothing of a URL.
    case .other:
      base64 = Base64.accepted(data)
      if base64 == nil { throw .invalid("\(path): expected a data: URL in base64", param: path) }
    }
    guard let base64 else { throw .invalid("\(path): the data is not valid base64", param: path) }
    if let source = try Self.source(type, base64, name: name, path: path) { return source }
    throw .invalid(
      "\(path): the type \(type.clipped) is not supported; expected application/pdf, text or an image", param: path)
  }

  /// The source of a document or an image by what its data shows, is called and is named; nil for another file.
  private static func source(_ type: String, _ data: JSON, name: String, path: String) throws(APIError) -> JSON? {
    if let shown = MediaTypes.shown(by: data) { return base64(shown, data) }
    // Readers take a PDF that begins with something else, and the API may.
    let isNamedPDF = MediaTypes.saysNothing(type) && name.lowercased().hasSuffix(".pdf")
    if type == "application/pdf" || isNamedPDF { return base64("application/pdf", data) }
    let isNamedText = MediaTypes.isText(type) || MediaTypes.isText(fileName: name)
    guard isNamedText || MediaTypes.saysNothing(type) else { return nil }
    let text = data.withUTF8 { Base64.decode($0) ?? [] } ?? []
    guard text.withUnsafeBufferPointer({ UTF8Check.isValid($0) && !$0.contains(0) }) else {
      if isNamedText { throw .invalid("\(path): is not base64 of UTF-8 text", param: path) }
      return nil
    }
    // A byte order mark is no part of the text.
    let inner = text.starts(with: [0xEF, 0xBB, 0xBF]) ? text[3...] : text[...]
    return JSON(object: [
      "type": JSON("text"), "media_type": JSON("text/plain"), "data": JSON(String(decoding: inner, as: UTF8.self)),
    ])
  }

  // MARK: Anthropic's own blocks

  /// An image block with a source that the API takes; the API judges what can't be found out here.
  mutating func accepted(image block: JSON) -> JSON {
    guard let source = block["source"], let type = source["type"] else { return block }
    let isURL = type.equals("url")
    guard let data = isURL ? Self.data(of: source["url"]) : Self.data(source),
      let shown = MediaTypes.shown(by: data.base64), shown.hasPrefix("image/")
    else { return isURL ? Self.withPlainURL(block) : block }
    if !data.isChanged, source["media_type"]?.string == shown { return block }
    let copy = block.shallowCopy()
    copy["source"] = Self.base64(shown, data.base64)
    return copy
  }

  /// A document block with a source and a title that the API takes.
  mutating func accepted(document block: JSON) -> JSON {
    var made = Self.withPlainURL(block)
    if let title = block["title"], title.isString {
      let accepted = acceptedTitle(title, "\(field).title")
      if accepted != title {
        made = made.shallowCopy()
        made["title"] = accepted
      }
    }
    guard let source = block["source"], let type = source["type"] else { return made }
    var better: JSON?
    if type.equals("text"), let said = source["media_type"]?.string, said != "text/plain", MediaTypes.isText(said) {
      better = source.shallowCopy()
      better?["media_type"] = JSON("text/plain")
    } else if type.equals("content"), let content = source["content"], content.isArray {
      better = source.shallowCopy()
      better?["content"] = JSON(
        array: content.elements.map { $0["type"]?.equals("image") == true ? accepted(image: $0) : $0 })
    } else if let data = type.equals("url") ? Self.data(of: source["url"]) : Self.data(source) {
      let said = data.type.isEmpty ? source["media_type"]?.string ?? "" : data.type
      // The API judges what can't be found out here.
      if said.lowercased() == "application/pdf", MediaTypes.shown(by: data.base64) == nil { return made }
      let told = try? Self.source(said.lowercased(), data.base64, name: block["title"]?.string ?? "", path: "")
      if let told, told["media_type"]?.hasPrefix("image/") == false,
        data.isChanged || told["media_type"] != source["media_type"]
      {
        better = told
      }
    }
    guard let better else { return made }
    made = made.shallowCopy()
    made["source"] = better
    return made
  }

  private struct Data {
    var type = ""
    var base64: JSON
    /// It isn't what the client sent, byte for byte.
    var isChanged: Bool
  }

  private static func data(_ source: JSON) -> Data? {
    guard source["type"]?.equals("base64") == true, let given = source["data"] else { return nil }
    // Some clients put the whole URL where its data belongs.
    if given.hasPrefix("data:") { return data(of: given) }
    guard let accepted = Base64.accepted(given) else { return nil }
    let isChanged = !accepted.isIdentical(to: given)
    return Data(base64: accepted, isChanged: isChanged)
  }

  private static func data(of url: JSON?) -> Data? {
    guard let url, url.isString, case .data(let type, let base64?) = DataURL(url) else { return nil }
    return Data(type: type, base64: base64, isChanged: true)
  }

  private static func withPlainURL(_ block: JSON) -> JSON {
    guard let source = block["source"], let url = source["url"], case .web(let plain) = DataURL(url), plain != url
    else {
      return block
    }
    let (copy, made) = (block.shallowCopy(), source.shallowCopy())
    made["url"] = plain
    copy["source"] = made
    return copy
  }
}
