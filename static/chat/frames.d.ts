// Generated from chat/protocol by `python -m scripts.frame_types`: change chat/protocol, not this file.

/** The first frame. `conversation` and `after` tell which messages the widget already shows. */
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

/** Starts a conversation. A repeat of the `client_id` returns the conversation that it started before. */
export interface Start {
  kind: "start";
  client_id: string;
  form?: Record<string, string>;
  topic?: number | null;
}

/**
 * Posts a message in the current conversation of this socket.
 *
 * With `conversation`, only in that one: the post is refused (`closed`) when another has started since.
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
 * Read mark: messages up to `received` have arrived, and those up to `read` were on a visible screen.
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

/** Ends `conversation`; without it, the visitor's current one. */
export interface End {
  kind: "end";
  conversation?: string | null;
}

/** Rates `conversation`; without it, the visitor's current one. */
export interface Rate {
  kind: "rate";
  score: number;
  comment?: string;
  conversation?: string | null;
}

/** Signs the visitor in with an identity token of the bank's site. */
export interface Identify {
  kind: "identify";
  identity: string;
}

/** The customer has logged out of the bank's site: all tokens of this visitor become void. */
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

/** Asks for the live messages of a conversation, and first for the stored ones with seq > `after`. */
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

/** An agent as other people see them. `name_en` is empty when it does not differ from `name`. */
export interface Person {
  id: number;
  name: string;
  name_en: string;
  number: string;
}

/** A conversation as its visitor sees it. */
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
 * The data of a message besides its text, by the message's type.
 *
 * `code`: an event. `choices`: the choices of a quick reply. `card`: how the message is shown, `place` for a branch;
 * the body holds the same facts as text. The others describe an attachment.
 */
export interface Payload {
  attachment?: string;
  card?: string;
  choices?: string[];
  code?: string;
  content_type?: string;
  height?: number | null;
  size?: number;
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
 * The answer to hello, start and identify: the complete state that the widget has to show.
 *
 * `recovered` is false when the messages on screen belong to another conversation; the widget then replaces them by
 * these. `nonce` must be in the next identity token. `verified_seconds` is the time for which the visitor stays
 * verified without a new token. `now` is the server's time in milliseconds since 1970; old servers leave it out (0).
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

/** The post is committed as message `seq` of `conversation`. A repeat gets the first answer again. */
export interface AcceptedFrame {
  kind: "accepted";
  client_id: string;
  seq: number;
  at: string;
  conversation?: string;
}

/**
 * The request is refused. `words` are shown to the person.
 *
 * With `retry_after_ms` the client may try the same request again; without it the refusal is final. With the code
 * `too_long`, `field` names the field and `limit` its maximum in characters; without `field`, the whole frame exceeds
 * `limit` bytes.
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

/** A conversation as the lists of the console show it. */
export interface Row {
  id: string;
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
  rating: number | null;
}

export interface MessageFrame {
  kind: "message";
  conversation: string;
  message: MessageData;
  row?: Row;
}

/** The answer to fetch and watch: messages in order. `more`: others follow; `head`: last seq of the conversation. */
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

/** Queue position of a waiting visitor. `place` counts from 1; `estimate_seconds` is null if no agent is online. */
export interface QueueFrame {
  kind: "queue";
  place: number;
  estimate_seconds: number | null;
  online: boolean;
}

export interface TypingFrame {
  kind: "is_typing";
  conversation: string;
  role: string;
  name?: string;
}

/** The seqs up to which the side `role` has received and read. */
export interface SeenFrame {
  kind: "was_seen";
  conversation: string;
  role: string;
  received: number;
  read: number;
}

/**
 * The answer to ping. `head` is the last seq of the conversation, so that a lost last message is noticed.
 *
 * `now` is the server's time, as in Welcome.
 */
export interface Pong {
  kind: "pong";
  head: number;
  now?: number;
}

/** The last frame before the server closes the socket. The code says whether the client should reconnect. */
export interface Bye {
  kind: "bye";
  code: string;
  retry_after_ms: number;
}

/** The answer to hello. `rows` holds every conversation in this agent's lists; the console removes all others. */
export interface ConsoleWelcome {
  kind: "welcome";
  heartbeat_seconds: number;
  rows: Row[];
  waiting_count: number;
  presence: string;
}

/** A conversation in one of this agent's lists changed. `listed` is false when it is in none of them any more. */
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

export interface PresenceFrame {
  kind: "presence";
  staff: number;
  status: string;
}

/** The published index has a new edition: suggestions on the screen may be out of date. */
export interface KnowledgeFrame {
  kind: "knowledge";
  edition: number;
}

/** The answer to ping. `heads` holds the last seq of each watched conversation, so that a lost message shows. */
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
  | SeenFrame
  | PresenceFrame
  | KnowledgeFrame
  | ConsolePong
  | Bye;
