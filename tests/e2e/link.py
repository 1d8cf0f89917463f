# SPDX-License-Identifier: GPL-2.0-only
"""A slow link on one machine: a TCP relay with a rate, a delay and a short queue.

For kernels without netem. What a real link adds and this does not: loss and
reordering, which TCP hides from both ends as more delay.
"""

import asyncio
import threading
import time

CHUNK = 1400                        # bytes; a packet of an Ethernet


class Link:
    """Relays 127.0.0.1:port to the server; `port` is known inside the with block.

    kbit: in each direction; delay_ms: one way; queue_ms: how much of what is sent
    the link holds, at its rate, before it stops reading from who sends.
    """

    def __init__(self, server_port, kbit, delay_ms, queue_ms=200):
        self.server_port = server_port
        self.rate = kbit * 1000 / 8
        self.delay = delay_ms / 1000
        self.queue = queue_ms / 1000
        self.port = None
        self.carried = [0, 0]       # bytes: to the server, from it
        self.failure = None
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        if not self._ready.wait(10) or self.failure:
            raise OSError(f"the link does not listen: {self.failure}")
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def freeze(self):
        """What is open carries nothing more, as if a router had forgotten it; what is opened later passes.

        The server's end is closed, as a server does that hears nothing; who opened it is not told.
        """
        def freeze():
            fresh = self._tasks - self._frozen
            self._frozen |= fresh
            for task in fresh:
                task.cancel()
        self._loop.call_soon_threadsafe(freeze)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:
            self.failure = error
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self):
        self._stop = asyncio.Event()
        self._tasks = set()
        self._frozen = set()        # of these
        # When each direction has sent all that it was given: connections share it.
        self._free = [0.0, 0.0]
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        peer = None
        try:
            server_reader, peer = await asyncio.open_connection("127.0.0.1", self.server_port, limit=CHUNK)
            await asyncio.gather(self._carry(0, reader, peer), self._carry(1, server_reader, writer))
        except (OSError, asyncio.CancelledError):
            # One end has gone: the other learns it by the close, unless it is to learn nothing.
            if asyncio.current_task() in self._frozen:
                if peer:
                    peer.transport.abort()
                await self._stop.wait()
        finally:
            self._tasks.discard(asyncio.current_task())
            for end in (writer, peer):
                if end:
                    end.close()

    async def _carry(self, way, reader, writer):
        flying = asyncio.Queue()

        async def arrive():
            while True:
                at, data = await flying.get()
                await asyncio.sleep(max(0, at - time.monotonic()))
                if data is None:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()

        arriving = asyncio.ensure_future(arrive())
        try:
            while data := await reader.read(CHUNK):
                now = time.monotonic()
                self._free[way] = max(now, self._free[way]) + len(data) / self.rate
                self.carried[way] += len(data)
                flying.put_nowait((self._free[way] + self.delay, data))
                # A full queue stops the sender, as a full socket does.
                await asyncio.sleep(max(0, self._free[way] - now - self.queue))
            flying.put_nowait((self._free[way] + self.delay, None))
            await arriving
        finally:
            arriving.cancel()
