"""
Moving file data between descriptors and transports without copying it, and never promising what cannot be kept.

Nothing here knows SMB: any Twisted protocol can use it. What a whole server shares is made once::

    in_thread = thread_pool(reactor)                     # workers.py: a function in a worker thread -> Deferred
    path = DataPath(reactor, in_thread, 64 << 10, 0.020, 64 << 20)      # data_path.py
    path.kernel_leases.start()                           # lease.py; in the main thread, and stop() at the end
    path.buffers                                         # buffers.py
    path.drain_budget                                    # drain.py: memory for promises kept after a lease is gone
    path.preflight                                       # preflight.py; preflight.counts tells how often which verdict
    path.copier                                          # copy.py
    path.read_ahead                                      # readahead.py
    path.splice_pipes                                    # pipes.py

and each connection has its outbox, through which everything leaves::

    def connectionMade(self):
        self.outbox = Outbox(self.transport, reactor, path.drain_budget)    # outbox.py

    def connectionLost(self, reason):
        self.outbox.connection_lost(reason)                             # releases buffers and leases

A small reply: C{outbox.write(*parts)}. It leaves at once when nothing is queued before it. Parts are kept, not copied, if the socket is
full, so they must not change until C{release} is called: C{outbox.write(header, view, release=buffer.release)}.

A read of a file range. C{identity} is anything hashable that tells files apart, C{questions} are the caller's own, such as byte-range
locks: C{question(offset, length)} returns an exception to refuse, or C{None}::

    verdict = path.preflight.check(fd, identity, offset, length, questions)  # Refuse | FromFile | Copy, or a Deferred of one
    if isinstance(verdict, Deferred):
        verdict = await verdict
    match verdict:
        case Refuse(error=error):                                       # EOFError, OSError, or what a question returned
            outbox.write(error_reply(error))
        case FromFile(source=source):                                     # holds a lease: must be streamed, or verdict.release()d
            outbox.stream(header(source.length), verdict)
        case Copy():
            copied = path.copier.read(fd, offset, length, room=len_header)   # Copied, or a Deferred of one; raises EOFError, OSError
            if isinstance(copied, Deferred):
                copied = await copied
            copied.room[:] = header(copied.length)                      # the header's place, straight before the data
            outbox.write(copied.whole, release=copied.release)
    path.read_ahead.after(self.sequence, fd, offset, length)            # self.sequence = Sequence(), one for each open

A write of C{length} bytes whose first ones, C{received}, came with the request::

    reservation.ensure(fd, offset, length)                              # reserve.py; raises OSError(ENOSPC); release(fd) by the last writer
    consumer = RecvfileConsumer(transport, reactor, received, fd, offset, length, path.splice_pipes)    # receive.py
    written = await consumer.done                                       # Received(length), or OSError with the payload drained
    drain = Drain(transport, reactor, received, length); await drain.done   # a refused write

C{consumer.connectionLost(reason)} belongs into the protocol's C{connectionLost}. While it works, the transport is paused and the bytes
after the payload stay in the socket: C{dataReceived} continues with them once C{done} has fired, which may be before the constructor
returns.
Transports without a socket, such as TLS, raise C{ValueError}: collect the payload there.

A lease is kept until the peer has taken the bytes that it is for, not only until sendfile(2) has returned: see L{filesvc.zerocopy.flight}.

Before an open that may conflict with our own leases: open with C{O_NONBLOCK}; on C{BlockingIOError}, wait for
C{kernel_leases.drain(identity)}
(C{None} if the lease is not ours), and retry the open at once.

L{filesvc.zerocopy.producer.SendfileProducer} serves protocols that want no outbox: register it on a transport and wait for its C{done}.
"""
