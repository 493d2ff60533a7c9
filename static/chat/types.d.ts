// The types that the modules share. Declarations only, never loaded by a browser. chat/protocol/ defines the frames.

interface ChatPerson {
  id: number;
  name: string;
  name_en: string;
  number: string;
}

interface ChatPayload {
  code?: string;
  choices?: string[];
  /** The way in which the message is shown: `place` for a branch. The body holds the same facts as text. */
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

/** A frame. The fields depend on `kind`. */
interface ChatFrame {
  kind: string;
  [field: string]: any;
}

type SocketStatus = "connecting" | "open" | "lost" | "ended";

/** The translated UI strings of a page for its scripts, by key. */
type ChatWords = Record<string, string>;

/** The status of the visitor's own message. */
type MessageStatus = "sending" | "sent" | "delivered" | "read" | "refused";

interface OutboxEntry {
  client_id: string;
  body: string;
  at: string;
  /** The conversation in which it was written; absent for a message that starts a conversation. */
  conversation?: string;
  /** The server's reason, if it finally refused the message. */
  refused?: string;
  /** Quick replies that an agent sends with the message. */
  choices?: string[];
}

interface MessageOptions {
  words: ChatWords;
  language: string;
  /** The id of the conversation, for the element's id. */
  conversation?: string;
  mine?: boolean;
  /** The message before this one; it decides whether name and time are shown again. */
  previous?: ChatMessage;
  status?: MessageStatus;
  /** Returns the URL of an attachment's file, or a promise of one (of a blob fetched with the visitor's token). */
  fileUrl?: (message: ChatMessage) => string | Promise<string>;
  /** If given, the choices of a quick reply are shown as buttons. */
  onChoice?: (text: string) => void;
}
