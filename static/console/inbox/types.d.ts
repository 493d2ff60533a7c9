// The state of the console. Declarations only: a browser never loads this file.

import type { MessageData, Messages, NoteFrame, Row } from "../../chat/frames.d.ts";

/** A conversation opened on this screen. */
export interface ConsoleThread {
  row: Row;
  notes: NoteFrame[];
  /** The first page begins after this seq. */
  after: number;
  /** In order and without gaps. The first of these messages may have a seq above 1. */
  messages: MessageData[];
  /** Messages that arrived although earlier ones are still missing. */
  ahead: MessageData[];
  isLoaded: boolean;
  /** Values of placeholders in this conversation. */
  values: Record<string, string>;
}

/** How the conversations of a department reach its agents: routing.models.DepartmentPolicy. */
export interface Policy {
  mode: "push" | "offer" | "pull";
  offer_seconds: number;
  pause_seconds: number;
  sleep_minutes: number;
  /** Maximum number of the department's conversations for one agent; null for no other limit than the agent's own. */
  capacity: number | null;
}

export interface ConsoleState {
  me: {
    id: number;
    number: string;
    sees_all: boolean;
    /** Whether the agent may take conversations out of order. */
    may_choose: boolean;
    departments: number[];
    barred: number[];
    capacity: number;
  };
  presence: string;
  /** Why the system has set the presence, such as "missed_offers"; "" if the agent has set it. */
  presenceReason: string;
  /** By department. */
  policies: Record<string, Policy>;
  /** When the agent last got a conversation, in ms of `performance.now()`. */
  lastAssignedAt: number;
  rows: Record<string, Row>;
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
export interface ConsoleInitialState {
  me: ConsoleState["me"];
  departments: Record<string, string>;
  skills: Record<string, string>;
  policies: ConsoleState["policies"];
  rows: Row[];
  waiting_count: number;
  presence: string;
  /** Seconds since the agent last got a conversation; null if that no longer matters. */
  seconds_since_assignment: number | null;
  presence_reason: string;
  open: string;
}

/** The server's answer when a conversation is opened: `thread` in console/inbox/thread_views.py. */
export interface OpenedThread {
  row: Row;
  notes: NoteFrame[];
  values: Record<string, string>;
  /** A page of messages if the conversation is closed; otherwise they arrive over the socket. */
  messages: Messages | null;
}
