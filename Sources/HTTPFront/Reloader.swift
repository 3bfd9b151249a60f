// SPDX-License-Identifier: MIT
import Logs
import Records

/// Puts settings in force without a restart: asks for them, tries them, and lets go of the old ones only then.
final class Reloader {
  private let front: Front
  /// Makes settings of a command line and an environment.
  private let parse: FrontSettings.Parse
  /// Where it listens, whatever the new settings say.
  private let reach: (FrontSettings) throws(Failure) -> Void
  private let manager: ServiceManager?
  private var inquiry: SettingsInquiry?
  private var isAtWork = false
  private var isAskedAgain = false

  init(
    _ front: Front, parse: @escaping FrontSettings.Parse,
    reach: @escaping (FrontSettings) throws(Failure) -> Void, manager: ServiceManager?
  ) {
    self.front = front
    self.parse = parse
    self.reach = reach
    self.manager = manager
  }

  /// Begins; who asks meanwhile gets what is in force after that, since files may have changed in between.
  func begin() {
    manager?.tell("RELOADING=1", ServiceManager.monotonicTime, "STATUS=Reading the settings")
    guard !isAtWork else { return isAskedAgain = true }
    isAtWork = true
    let old = front.settings
    guard let words = old.inquiry else { return tryOut(old) }
    do throws(Failure) {
      inquiry = try SettingsInquiry(words, environment: old.environment, loop: front.loop) { [self] result in
        do throws(Failure) {
          let answer = try result.get()
          tryOut(try parse(answer.words, answer.environment))
        } catch {
          end(error)
        }
      }
      inquiry?.checkEnded()
    } catch {
      end(error)
    }
  }

  /// To be called when a child has ended.
  func childEnded() { inquiry?.checkEnded() }

  func destroy() { inquiry?.destroy() }

  private func tryOut(_ settings: FrontSettings) {
    inquiry = nil
    do throws(Failure) {
      try reach(settings)
      let tokens = try settings.allTokens()
      guard front.tokens.isEmpty || !tokens.isEmpty || settings.allowsUnauthenticated else {
        throw Failure(
          .configuration,
          "the last token is gone, so every client would be accepted; set AUTH_TOKEN, or ALLOW_UNAUTHENTICATED=1 if that is meant"
        )
      }
      front.supervisor.replace(by: settings) { [self] failure in
        if failure == nil {
          sayWhatStays(settings)
          front.apply(settings, tokens: tokens)
        }
        end(failure)
      }
    } catch {
      end(error)
    }
  }

  /// Names what only a restart can change.
  private func sayWhatStays(_ settings: FrontSettings) {
    let old = front.settings
    if settings.listen != old.listen {
      front.log.write(
        .warning, "the addresses to listen at are changed by a restart alone: they stay as they are",
        fields: [("asked", .list(settings.listen.map(\.text))), ("in_force", .list(old.listen.map(\.text)))])
    }
    if settings.counters != old.counters {
      front.log.write(.warning, "the file of counters is changed by a restart alone: it stays as it is")
    }
  }

  private func end(_ failure: Failure?) {
    inquiry = nil
    isAtWork = false
    if let failure {
      front.log.write(.error, "the settings and the tokens stay as they are: \(failure.message)")
    } else {
      front.log.write(.info, "the settings were read again")
    }
    if isAskedAgain {
      isAskedAgain = false
      return begin()
    }
    let status = failure.map { "The old settings are in force: \($0.message)" } ?? "Serving"
    manager?.tell("READY=1", "STATUS=" + status.replacingNewlines)
  }
}

extension String {
  /// One line of it.
  fileprivate var replacingNewlines: String { String(map { $0.isNewline ? " " : $0 }) }
}
