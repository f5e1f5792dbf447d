/** One accepted WebSocket, as its host offers it. */
export interface SocketPort {
  /** Sends one text message (its UTF-8 bytes). `onSent` is called once it has left this process, or failed to. */
  send(text: Uint8Array, onSent?: () => void): void;
  /** Bytes that were given to `send` and have not left this process. */
  bufferedBytes(): number;
  /** Sends a ping; the host calls `pong` when it is answered. */
  ping(): void;
  /** Closes at once, without waiting for the other side. */
  close(code: number, reason: string): void;
}

/** What a host tells about one WebSocket. Nothing is called after `closed`. */
export interface SocketHandler {
  message(text: string): void;
  pong(): void;
  closed(): void;
}
