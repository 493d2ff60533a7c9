// What the console's modules pass to each other. Declarations only: never loaded by a browser.

/** A conversation as the lists show it: `Row` of chat/protocol.py. */
interface ConsoleRow {
  id: string;
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

/** A conversation that has been opened on this screen. */
interface ConsoleThread {
  row: ConsoleRow;
  notes: ConsoleNote[];
  /** The first page begins after this seq. */
  after: number;
  /** In order and without a gap; the first need not be seq 1. */
  messages: ChatMessage[];
  /** Those that arrived before what stands between. */
  ahead: ChatMessage[];
  isLoaded: boolean;
  /** What placeholders stand for here. */
  values: Record<string, string>;
}

interface ConsoleState {
  me: { id: number; number: string; sees_all: boolean; departments: number[]; barred: number[] };
  presence: string;
  rows: Record<string, ConsoleRow>;
  /** How many more wait than `rows` holds. */
  waitingBeyond: number;
  /** Something changed among those: how many they are the server has to say. */
  isLineUnsure: boolean;
  threads: Record<string, ConsoleThread>;
  /** The newest edition of the library that was heard of. */
  edition: number;
  /** Who is typing, by conversation: until when (ms) to believe it. */
  typing: Record<string, number>;
}

/** What the page carries: console/inbox/initial_state.py. */
interface ConsoleFirst {
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
  /** The knowledge point that it was made from, or "". */
  source: string;
  scope: "personal" | "department" | "shared";
}

interface ConsoleRefusal {
  code: string;
  words: string;
  client_id?: string;
  retry_after_ms?: number;
}

/** The answer of a request: `data` when it went well, otherwise what was said against it (`null`: no answer at all). */
interface ConsoleAnswer {
  ok: boolean;
  status: number;
  data: any;
  refused: ConsoleRefusal | null;
}

/** An answer of a paper on its way. `page` and `step`: which of whose answers; `seen`: the revision it comes after. */
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
  /** What the words were made from: `source` of a point, or "". */
  source: string;
}

/** A knowledge point or a place, as console/inbox/suggestion_views.py offers it. */
interface ConsolePoint {
  id: number;
  source: string;
  title: string;
  passage: string;
  /** What goes into the message. */
  text: string;
  /** For staff only. */
  note: string;
  /** Of a knowledge point. */
  key?: string;
  category?: string;
  valid_until?: string;
}

declare const htmx: {
  swap(target: string, content: string, how: { swapStyle: string }): void;
};
