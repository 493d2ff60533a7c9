// What the modules pass to each other. Declarations only: never loaded by a browser. chat/protocol.py is the truth.

interface ChatPerson {
  id: number;
  name: string;
  name_en: string;
  number: string;
}

interface ChatPayload {
  code?: string;
  choices?: string[];
  /** As what it is drawn: `place`. Its text says the same. */
  card?: string;
  attachment?: string;
  content_type?: string;
  size?: number;
  width?: number | null;
  height?: number | null;
}

interface ChatMessage {
  seq: number;
  type: string;
  role: string;
  name: string;
  body: string;
  at: string;
  number?: string;
  client_id?: string;
  payload?: ChatPayload;
}

interface ChatState {
  id: string;
  status: string;
  agent: ChatPerson | null;
  last_seq: number;
  agent_received: number;
  agent_read: number;
  visitor_read: number;
  rating: number | null;
}

/** A frame of the wire. Each kind has its own fields; the one who reads it knows them by `kind`. */
interface ChatFrame {
  kind: string;
  [field: string]: any;
}

type SocketStatus = "connecting" | "open" | "lost" | "ended";

/** The words of a page for its scripts: what gettext gave, by key. */
type ChatWords = Record<string, string>;

/** `sending`, `sent`, `delivered`, `read`, or what the server said against it. */
type MessageStatus = "sending" | "sent" | "delivered" | "read" | "refused";

interface OutboxEntry {
  client_id: string;
  body: string;
  at: string;
  /** The conversation it was written in; absent for one that begins a conversation. */
  conversation?: string;
  /** Set when the server refused it for good: what it said. */
  refused?: string;
  /** Quick replies that an agent offers with it. */
  choices?: string[];
}

interface MessageOptions {
  words: ChatWords;
  language: string;
  /** Id of the conversation, for the element's id. */
  conversation?: string;
  mine?: boolean;
  /** The message above: decides whether name and time are shown again. */
  previous?: ChatMessage;
  status?: MessageStatus;
  /** Where the file of an attachment is: a URL, or a promise of one (an authorised blob). */
  fileUrl?: (message: ChatMessage) => string | Promise<string>;
  /** Given: the choices of a quick reply are buttons. */
  onChoice?: (text: string) => void;
}
