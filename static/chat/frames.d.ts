// Generated from chat/protocol by `python -m scripts.frame_types`: change chat/protocol, not this file.

/**
 * The first frame on a socket.
 *
 * `conversation` and `after` say which messages the widget already shows: those of this conversation up to this seq.
 */
export interface Hello {
  kind: "hello";
  site: string;
  version?: number;
  token?: string | null;
  language?: string;
  page?: string;
  device?: string;
  conversation?: string | null;
  after?: number;
}

/**
 * Request to start a conversation. A repeat with the same `client_id` returns the conversation that the first
 * request started.
 */
export interface Start {
  kind: "start";
  client_id: string;
  form?: Record<string, string>;
  topic?: number | null;
}

/**
 * Request to post a message in the current conversation of this socket.
 *
 * If `conversation` is given, the message is meant only for that conversation. The request is refused with the code
 * `closed` when another conversation has started since.
 */
export interface PostFrame {
  kind: "post";
  client_id: string;
  body: string;
  conversation?: string | null;
}

export interface VisitorTyping {
  kind: "typing";
}

/**
 * The visitor's read marks: messages up to `received` have arrived, and messages up to `read` were on a visible
 * screen.
 *
 * Old versions of the widget do not send `conversation`.
 */
export interface VisitorSeen {
  kind: "seen";
  received: number;
  read: number;
  conversation?: string | null;
}

export interface Fetch {
  kind: "fetch";
  after: number;
  limit?: number;
}

/** Request to end `conversation`, or the visitor's current conversation if none is given. */
export interface End {
  kind: "end";
  conversation?: string | null;
}

/** Request to rate `conversation`, or the visitor's current conversation if none is given. */
export interface Rate {
  kind: "rate";
  score: number;
  comment?: string;
  conversation?: string | null;
}

/** Request to sign the visitor in with an identity token, which the bank's website has made. */
export interface Identify {
  kind: "identify";
  identity: string;
}

/** Says that the customer has logged out of the bank's website. All tokens of this visitor become void. */
export interface Logout {
  kind: "logout";
}

export interface Ping {
  kind: "ping";
}

export interface ConsoleHello {
  kind: "hello";
  version?: number;
}

/** Request to receive the messages of a conversation: first the stored ones with seq > `after`, then new ones. */
export interface Watch {
  kind: "watch";
  conversation: string;
  after?: number;
}

export interface Unwatch {
  kind: "unwatch";
  conversation: string;
}

export interface ConsoleTyping {
  kind: "typing";
  conversation: string;
}

export interface ConsoleSeen {
  kind: "seen";
  conversation: string;
  received: number;
  read: number;
}

export interface ConsoleFetch {
  kind: "fetch";
  conversation: string;
  after: number;
  limit?: number;
}

/** The data about an agent that other people see. `name_en` is "" if the agent has no name in Latin letters. */
export interface Person {
  id: number;
  name: string;
  name_en: string;
  number: string;
}

/** The data of a conversation that its visitor sees. */
export interface State {
  id: string;
  status: string;
  agent: Person | null;
  last_seq: number;
  agent_received: number;
  agent_read: number;
  visitor_read: number;
  rating: number | null;
}

/**
 * The data of a message besides its text. The keys depend on the message's type.
 *
 * `code` is the kind of an event. `to_visitor` is the text of an event for its visitor, if it differs from the body.
 * `choices` are the choices of a quick reply. `card` says how the message is shown: `place` for a branch, whose facts
 * are also in the body. All other keys describe an attachment.
 */
export interface Payload {
  attachment?: string;
  card?: string;
  choices?: string[];
  code?: string;
  content_type?: string;
  height?: number | null;
  size?: number;
  to_visitor?: string;
  width?: number | null;
}

/** A message as both sides see it. */
export interface MessageData {
  seq: number;
  type: string;
  role: string;
  name: string;
  body: string;
  at: string;
  number?: string;
  client_id?: string;
  payload?: Payload;
}

/**
 * The answer to hello, start and identify frames: the complete state that the widget has to show.
 *
 * `recovered` is false when the messages on screen belong to another conversation; the widget then replaces them with
 * `messages`. `more` is true if there are later messages to fetch. The next identity token must contain `nonce`.
 * `verified_seconds` is the time for which the visitor stays verified without a new identity token. `now` is the
 * server's time in milliseconds since 1970, or 0 from old servers.
 */
export interface Welcome {
  kind: "welcome";
  token: string;
  heartbeat_seconds: number;
  state: State | null;
  messages: MessageData[];
  recovered?: boolean;
  more?: boolean;
  level?: string;
  name?: string;
  nonce?: string;
  verified_seconds?: number;
  now?: number;
}

/**
 * The answer to a post frame: the message is committed as number `seq` of `conversation`. A repeat gets the same
 * answer.
 */
export interface AcceptedFrame {
  kind: "accepted";
  client_id: string;
  seq: number;
  at: string;
  conversation?: string;
}

/**
 * The answer to a refused request. `words` is a text for the person.
 *
 * If `retry_after_ms` is not 0, the client may send the same request again after that time; otherwise the refusal is
 * final. With the code `too_long`, `field` is the name of the field and `limit` its maximum in characters. If `field`
 * is "", the whole frame is longer than `limit` bytes.
 */
export interface RefusedFrame {
  kind: "refused";
  code: string;
  words: string;
  client_id?: string;
  retry_after_ms?: number;
  field?: string;
  limit?: number;
}

/** A conversation as the lists of the console show it. The row with the highest `revision` is the current one. */
export interface Row {
  id: string;
  revision: number;
  status: string;
  department: number;
  agent: Person | null;
  visitor_name: string;
  level: string;
  language: string;
  subject: string;
  priority: number;
  last_seq: number;
  unread: number;
  excerpt: string;
  started_at: string;
  waiting_since: string;
  unanswered_since: string | null;
  last_message_at: string | null;
  ended_by: string;
  visitor_received: number;
  visitor_read: number;
  agent_received: number;
  agent_read: number;
  queue_time: string;
  rating?: number | null;
  emergency?: string;
  emergency_reason?: string;
  skill?: number | null;
  offered_to?: number | null;
  offered_until?: string | null;
  visitor_away_since?: string | null;
}

export interface MessageFrame {
  kind: "message";
  conversation: string;
  message: MessageData;
  row?: Row;
}

/**
 * The answer to fetch and watch frames: a page of messages in order.
 *
 * `more` is true if there are later messages than these. `head` is the last seq of the conversation.
 */
export interface Messages {
  kind: "messages";
  conversation: string;
  messages: MessageData[];
  head: number;
  more: boolean;
}

export interface StateFrame {
  kind: "state";
  state: State;
}

/**
 * The queue position of a waiting visitor.
 *
 * `place` counts from 1. `estimate_seconds` is the expected waiting time, or null if no agent is online or the wait
 * cannot be estimated. If the estimate is uncertain, the wait may last up to `estimate_max_seconds`. `reason` says why
 * the place or the estimate has risen: `emergency_first`, `earlier_place`, `fewer_agents` or `slower`. `words` says it
 * in the visitor's language.
 */
export interface QueueFrame {
  kind: "queue";
  place: number;
  estimate_seconds: number | null;
  online: boolean;
  estimate_max_seconds?: number | null;
  reason?: string;
  words?: string;
}

export interface TypingFrame {
  kind: "is_typing";
  conversation: string;
  role: string;
  name?: string;
}

/** The read marks of one side of the conversation, `role`: the last seqs that it has received and read. */
export interface SeenFrame {
  kind: "was_seen";
  conversation: string;
  role: string;
  received: number;
  read: number;
}

/**
 * The answer to a ping.
 *
 * `head` is the last seq of the conversation, so that the widget notices when the last message was lost. `now` is the
 * server's time, as in Welcome.
 */
export interface Pong {
  kind: "pong";
  head: number;
  now?: number;
}

/** The last frame before the server closes the socket. `code` says whether the client should reconnect. */
export interface Bye {
  kind: "bye";
  code: string;
  retry_after_ms: number;
}

/**
 * The answer to a hello frame.
 *
 * `rows` has the conversations in this agent's lists, but only the first ones of the queue, whose length is
 * `waiting_count`. The console removes all other conversations from its lists.
 */
export interface ConsoleWelcome {
  kind: "welcome";
  heartbeat_seconds: number;
  rows: Row[];
  waiting_count: number;
  presence: string;
}

/**
 * Says that a conversation has changed. `listed` is false if the conversation is no longer in any list of this
 * agent.
 */
export interface RowFrame {
  kind: "conversation";
  row: Row;
  listed: boolean;
}

export interface NoteFrame {
  kind: "note";
  conversation: string;
  id: number;
  after_seq: number;
  author: Person;
  body: string;
  at: string;
}

/**
 * A staff member's new presence.
 *
 * If they have not set it themselves, `by` is the name of the supervisor who has, or `reason` is a code such as
 * "missed_offers".
 */
export interface PresenceFrame {
  kind: "presence";
  staff: number;
  status: string;
  reason?: string;
  by?: string;
}

/** Says that published knowledge points have changed, so that suggestions on the screen may be outdated. */
export interface KnowledgeFrame {
  kind: "knowledge";
  edition: number;
}

/**
 * The answer to a ping.
 *
 * `heads` has the last seq of each watched conversation, so that the console notices a lost message.
 */
export interface ConsolePong {
  kind: "pong";
  heads: Record<string, number>;
}

export type VisitorFrame =
  | Hello
  | Start
  | PostFrame
  | VisitorTyping
  | VisitorSeen
  | Fetch
  | End
  | Rate
  | Identify
  | Logout
  | Ping;

export type ConsoleFrame =
  | ConsoleHello
  | Watch
  | Unwatch
  | ConsoleTyping
  | ConsoleSeen
  | ConsoleFetch
  | Ping;

export type ServerToVisitor =
  | Welcome
  | AcceptedFrame
  | RefusedFrame
  | MessageFrame
  | Messages
  | StateFrame
  | QueueFrame
  | TypingFrame
  | SeenFrame
  | Pong
  | Bye;

export type ServerToConsole =
  | ConsoleWelcome
  | RefusedFrame
  | MessageFrame
  | Messages
  | RowFrame
  | NoteFrame
  | TypingFrame
  | PresenceFrame
  | KnowledgeFrame
  | ConsolePong
  | Bye;
