// Types that the console's modules share. Declarations only: a browser never loads this file.

/** A conversation as the lists show it: `Row` of chat/protocol. */
interface ConsoleRow {
  id: string;
  revision: number;
  status: string;
  department: number;
  agent: ChatPerson | null;
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
  rating?: number | null;
}

interface ConsoleNote {
  conversation: string;
  id: number;
  after_seq: number;
  author: ChatPerson;
  body: string;
  at: string;
}

/** A conversation opened on this screen. */
interface ConsoleThread {
  row: ConsoleRow;
  notes: ConsoleNote[];
  /** The first page begins after this seq. */
  after: number;
  /** In order and without gaps; the first one may have a seq above 1. */
  messages: ChatMessage[];
  /** Messages that arrived ahead of missing ones. */
  ahead: ChatMessage[];
  isLoaded: boolean;
  /** Values of placeholders in this conversation. */
  values: Record<string, string>;
}

interface ConsoleState {
  me: { id: number; number: string; sees_all: boolean; departments: number[]; barred: number[] };
  presence: string;
  rows: Record<string, ConsoleRow>;
  /** Number of waiting conversations that `rows` does not hold. */
  unlistedCount: number;
  /** Whether `unlistedCount` may be wrong, so that the lists must be requested again. */
  isQueueUncertain: boolean;
  threads: Record<string, ConsoleThread>;
  /** The newest known edition of the published knowledge. */
  edition: number;
  /** By conversation, the time (ms) until which its visitor counts as typing. */
  typing: Record<string, number>;
}

/** The state that the page contains: console/inbox/initial_state.py. */
interface ConsoleInitialState {
  me: ConsoleState["me"];
  departments: Record<string, string>;
  rows: ConsoleRow[];
  waiting_count: number;
  presence: string;
  open: string;
}

interface ConsoleReply {
  id: number;
  shortcut: string;
  title: string;
  body: string;
  language: string;
  initials: string;
  /** Source of the knowledge point from which it was made, or "". */
  source: string;
  scope: "personal" | "department" | "shared";
}

interface ConsoleRefusal {
  code: string;
  words: string;
  client_id?: string;
  retry_after_ms?: number;
}

/** The outcome of a request: `data` on success, otherwise `refused` (null without an answer from the server). */
interface ConsoleAnswer {
  ok: boolean;
  status: number;
  data: any;
  refused: ConsoleRefusal | null;
}

/**
 * An answer of a paper that is being sent. `place`: position of the question, from 1; `page` and `step`: the load of the
 * page and the number of the answer in it; `seen`: the revision that this answer follows.
 */
interface ExamAnswer {
  place: number;
  given: any[] | null;
  page: string;
  step: number;
  seen: number;
}

interface ConsoleDraft {
  body: string;
  choices: string[];
  /** Source of the knowledge point from which the text was made, or "". */
  source: string;
}

/** A knowledge point or a branch, as console/inbox/suggestion_views.py returns it. */
interface ConsolePoint {
  id: number;
  source: string;
  title: string;
  passage: string;
  /** The text that is inserted into the message. */
  text: string;
  /** For staff only. */
  note: string;
  /** Knowledge points only. */
  key?: string;
  category?: string;
  valid_until?: string;
}

declare const htmx: {
  swap(target: string, content: string, how: { swapStyle: string }): void;
};
