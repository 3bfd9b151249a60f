// SPDX-License-Identifier: MIT
import JSONText
import Logs
import NIOCore
import Records

/// What the command line and the environment say.
package struct FrontSettings: Sendable {
  /// Where to listen; nowhere means one connection on standard input and output.
  package var listen: [ListenAddress] = []
  /// Why no address may be one that other machines reach; nil where it may.
  package var loopbackOnly: String?
  /// How long to stay without a client, with none but sockets that were passed in; nil where that is for ever, or, by
  /// an inetd's socket, for ``FrontLimits/inetdStay``.
  package var stay: TimeAmount?
  /// The stages to start; nil means to be a filter: records on standard output and input.
  package var pipeline: [[String]]?
  /// Where the bound ports are told, when the front is ready.
  package var notifyDescriptor: Int32?
  /// The permissions of a socket file.
  package var socketMode: UInt32 = 0o600
  /// The file of counters that processes share; nil where each has its own.
  package var counters: String?
  /// The folder of private files that health looks at; nil for none.
  package var runDirectory: String?
  package var maxBody = FrontLimits.maxBody
  /// How many JSON values a body may hold.
  package var maxNodes = FrontLimits.maxNodes
  package var maxInFlight = FrontLimits.maxInFlight
  /// How many bytes of bodies and answers may wait in all.
  package var maxBuffered = FrontLimits.maxBuffered
  /// How many pipelines run beside each other.
  package var pipelines = 1
  /// The time for a whole answer.
  package var requestTimeout = TimeAmount.seconds(FrontLimits.requestTimeout)
  /// The time that answers under way have when the front is told to end.
  package var grace = TimeAmount.seconds(FrontLimits.grace)
  /// What a route for messages means by `auto`.
  package var chatCompletionsDialect = Dialect.auto
  package var routes = RouteTable.builtIn
  /// The tokens of the environment; those of the file are added to them.
  package var tokens = Tokens()
  package var tokensFile: String?
  package var hosts = Hosts()
  package var origins = Origins.none
  package var proxies = TrustedProxies.none
  /// Whether a reload may take the last token away.
  package var allowsUnauthenticated = false
  /// The largest head of a request, in bytes.
  package var maxHeader = FrontLimits.maxHeader
  /// The time for a head, from its first byte; for more of a body; and between two requests.
  package var headerTimeout = TimeAmount.seconds(FrontLimits.headerTimeout)
  package var bodyTimeout = TimeAmount.seconds(FrontLimits.bodyTimeout)
  package var idleTimeout = TimeAmount.seconds(FrontLimits.idleTimeout)
  package var maxConnections = FrontLimits.maxConnections
  package var maxConnectionsPerAddress = FrontLimits.maxConnectionsPerAddress
  package var version = "0"
  /// What the stages are given, and apart from it our tokens.
  package let environment: Environment
  package let log: Log
  /// Makes settings of the words of a command line and an environment.
  package typealias Parse = (_ words: [String], _ environment: Environment) throws(Failure) -> FrontSettings

  /// The program that tells the settings anew; nil where a SIGHUP changes none.
  package var inquiry: [String]?

  package init(environment: Environment, log: Log) {
    self.environment = environment
    self.log = log
  }

  /// The tokens of the environment, and those of the file as it is now.
  ///
  /// - Throws: ``Failure``.
  package func allTokens() throws(Failure) -> Tokens {
    guard let tokensFile else { return tokens }
    return try tokens.adding(file: tokensFile, credentials: environment.value(of: "CREDENTIALS_DIRECTORY"))
  }
}

/// What bounds the front, in one place.
package enum FrontLimits {
  /// The largest request body, in bytes: the Messages API's own limit.
  package static let maxBody = 32 << 20
  /// How many JSON values a body may hold: a tree of as many takes as much memory as a few bodies.
  package static let maxNodes = JSONCheck.maxNodes
  /// How many requests may wait for the pipeline's answer at once: above any machine's load, below its descriptors.
  package static let maxInFlight = 4_096
  /// How many bytes of bodies and answers may wait in all.
  package static let maxBuffered = 256 << 20
  /// How many bytes may wait for one client where the room for all is short: minutes of the fastest stream.
  package static let maxWaiting = 16 << 20
  /// How many bytes the decoder of requests gets at once, but for bodies: more than a usual head has.
  package static let maxPiece = 4_096
  /// How many bytes of later requests a client may have left when it ends its input: few clients send ahead at all.
  package static let maxHeld = 256 << 10
  /// How long a client may take nothing, in seconds.
  package static let maxStall: Int64 = 60
  /// The time for a whole answer, in seconds: the Messages API's SDKs wait as long.
  package static let requestTimeout: Int64 = 600
  /// How long answers under way may go on after SIGTERM, in seconds.
  package static let grace: Int64 = 30
  /// How long a body may wait for room among what is buffered, in seconds.
  package static let roomTimeout: Int64 = 5
  /// The most pipelines: more than any machine's processors give work to.
  package static let maxPipelines = 64
  /// How long a health record may take, in seconds: below a probe's usual patience.
  package static let healthTimeout: Int64 = 5
  /// How long the program that tells the settings may take, in seconds: it looks at files and starts small programs.
  package static let inquiryTimeout: Int64 = 20
  /// The most that it may tell, in bytes: what the system takes of arguments and environment in general.
  package static let maxInquiry = 2 << 20
  /// How long a pipeline may take for an answer to a health request of our own, in seconds: a CLI may have to be found
  /// and asked, on a machine that has much else to do.
  package static let trialTimeout: Int64 = 15
  /// How often a pipeline at work is asked whether it is well, in seconds.
  package static let healthPause: Int64 = 5
  /// How often we look whether the files of our sockets are still there, in seconds.
  package static let socketLook: Int64 = 5
  /// How long we listen on after the signal to end, in milliseconds, while the system still has connections for us.
  package static let lastCall: Int64 = 500
  /// How often we look whether it has, in milliseconds: between two looks some of them are let in.
  package static let queueLook: Int64 = 5
  /// How long the first request of a client is waited for that was let in just before the end, in milliseconds.
  package static let newcomerWait: Int64 = 1_000
  /// How long a cancelled request may stay without its `end`, in seconds; then it is given up, and its pipeline has to
  /// answer a health request.
  package static let cancelTimeout: Int64 = 5
  /// How long nothing may come from a stuck pipeline before it is ended, in seconds: a model may think for as long between
  /// two events, and then its stream goes on.
  package static let stuckPause: Int64 = 15
  /// How many stuck pipelines may be left to run out at once.
  package static let maxStuck = 4
  /// The silence after which an event stream gets a comment, in seconds: below the 30 to 60 s of usual balancers.
  package static let keepAlive: Int64 = 15
  /// How long a request waits for a pipeline that is being restarted, in milliseconds.
  package static let restartWait: Int64 = 1_000
  /// The pause before a pipeline that died young is started again, in milliseconds: the first one and the longest.
  package static let firstPause: Int64 = 100
  package static let longestPause: Int64 = 5_000
  /// The age at which a pipeline is young no more, in milliseconds.
  package static let youth: Int64 = 1_000
  /// The time between the steps of ending a pipeline, in milliseconds: end of input, TERM, KILL.
  package static let endStep: Int64 = 1_000
  /// A refused body up to this size is read to its end, so that the connection can go on, in bytes.
  package static let maxDiscard = 1 << 20
  /// How long a closing connection still reads, so that its last answer isn't lost to a reset, in seconds.
  package static let linger: Int64 = 2
  /// How long a route's path may be, in bytes: it is a label of the metrics, and has to fit in a slot of the counters.
  package static let maxRoutePath = 90
  /// How many routes the settings may add.
  package static let maxRoutes = 256
  /// How many values a metrics label may have; more are counted as `other`.
  package static let maxLabels = 64
  /// How long a label's value may be, in bytes, but for those of routes.
  package static let maxLabel = 64
  /// How many pairs of a route and a status are counted apart: far above those that there are.
  package static let maxAnswerLabels = 512
  /// How many numbers are found without their names: more than most servers have.
  package static let maxUsualSamples = 1_024
  /// More than what stands before the body in a record, in bytes.
  package static let maxRecordHead = 1 << 20
  /// The largest head of a request, in bytes: the SDKs' have less than one thousand.
  package static let maxHeader = 64 << 10
  /// The time for a head, in seconds: it fits in few packets; who takes longer holds a connection on purpose.
  package static let headerTimeout: Int64 = 10
  /// How long a body may stop arriving, in seconds: as long as an answer may be left untaken.
  package static let bodyTimeout: Int64 = 60
  /// How long a connection may wait for its next request, in seconds: above what the SDKs' clients wait themselves.
  package static let idleTimeout: Int64 = 120
  /// How many clients may be connected at once: more than requests in flight, as most are idle.
  package static let maxConnections = 10_240
  /// How many of them may come from one address, so that nobody takes all.
  package static let maxConnectionsPerAddress = 256
  /// How long a listener rests when it could not accept a connection, in milliseconds.
  package static let acceptPause: Int64 = 200
  /// How often a refused connection is worth a line in the log, in seconds.
  package static let refusalPause: Int64 = 10
  /// The largest file of tokens, in bytes: thousands of them.
  package static let maxTokensFile = 1 << 20
  /// How many tokens a request may try.
  package static let maxTokensTried = 2
  /// How many sockets may be passed in: above the descriptors of any socket unit.
  package static let maxPassed = 1_024
  /// How many connections may wait to be accepted, as far as the system allows it.
  package static let backlog: Int32 = 1_024
  /// How long an inetd's `wait` service stays without a client, in seconds: a client's pause between two questions.
  package static let inetdStay: Int64 = 300
  /// How much of a header goes into a record, in bytes.
  package static let maxHeaderValue = 1_024
  /// How much of a part of a request an error message repeats, in bytes: enough to see which one it is.
  package static let maxEcho = 256
  /// How long an error message of the front's own may be, in bytes.
  package static let maxMessage = 2_048
  /// The largest value of a header that the pipeline sets, in bytes: many clients and proxies take no more than 4 or 8 KiB
  /// for a whole head.
  package static let maxAnswerHeader = 1_024
  /// How many bytes the headers that the pipeline sets may have in all; those past it are left out.
  package static let maxAnswerHeaders = 16_384
}
