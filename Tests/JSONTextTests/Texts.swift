// SPDX-License-Identifier: MIT

/// Texts that are one JSON value.
let goodTexts = [
  "{}", "[]", "null", "true", "false", "0", "-0", "7", "-12", "1.5", "-0.0", "1e3", "1E+3", "2.5e-3", "\"\"",
  "\"text\"", "\"é €\u{1F600}\"", #""\" \\ \/ \b \f \n \r \t \u00e9 \ud83d\ude00""#, "[1,2,3]", "[[],{}]",
  #"{"a":1}"#, #"{"a":{"b":[null,true,false]},"c":""}"#, #"{"":0}"#, #"{"a":1,"a":2}"#, " { \"a\" : [ 1 , 2 ] } ",
  "\t[\n1\r\n,2 ]\n", "9223372036854775807", "-9223372036854775808", "\"\u{7F}\"", #"{"\u0061":1}"#, "[0,-1,10,100]",
  String(repeating: "[", count: 2048) + String(repeating: "]", count: 2048),
]

/// Texts that are not.
let badTexts = [
  "", " ", "{", "}", "[", "]", "{]", "[}", "nul", "nulll", "True", "truefalse", "01", "-", "-01", "+1", ".5", "1.",
  "1.e3", "1e", "1e+", "0x10", "NaN", "Infinity", "'a'", "\"", "\"a", "\"\\\"", #""\x""#, #""\u12""#, #""\u12g4""#,
  "\"\u{1}\"", "\"a\nb\"", "\"tab\tin\"", "[1,]", "[,1]", "[1 2]", "{,}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#,
  #"{"a" 1}"#, "{a:1}", "{1:2}", #"{"a":1 "b":2}"#, "{}{}", "1 2", "[] x", "[1]]", "\u{FEFF}{}", "\u{A0}1", "é",
  "// c\n1", "[1]\u{0}", String(repeating: "[", count: 2049) + String(repeating: "]", count: 2049),
]

/// Texts that the check lets pass, since it looks at form alone, and the parser refuses.
let textsForTheParser = [
  #""\ud800""#, #""\udc00""#, #""\ud800x""#, #""\ud800\u0041""#, #"{"\u0000":1}"#, "1e400", "-1e400",
]

/// Bytes that are no UTF-8, as the inside of a string.
let badUTF8: [[UInt8]] = [
  [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xC3, 0x28], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
  [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xEF, 0xBF], [0xF0, 0x80, 0x80, 0x80],
  [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x9F, 0x98], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF],
]

/// The characters at the edges of UTF-8's lengths.
let goodUTF8 = [
  "\u{0}", "\u{7F}", "\u{80}", "\u{7FF}", "\u{800}", "\u{D7FF}", "\u{E000}", "\u{FFFD}", "\u{FFFF}", "\u{10000}",
  "\u{10FFFF}",
]
