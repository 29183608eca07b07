"""Contexts of CREATE and of NEGOTIATE, as hypothesis makes them up."""

from __future__ import annotations

from hypothesis import strategies as st

from filesvc.smb2.contexts.create_contexts import CreateContext
from filesvc.smb2.contexts.negotiate_contexts import (
    CompressionCapabilities,
    ContextType,
    EncryptionCapabilities,
    NetnameNegotiateContext,
    PosixExtensionsAvailable,
    PreauthIntegrityCapabilities,
    RawContext,
    SigningCapabilities,
    TransportCapabilities,
)

from .strategies import blobs, names, u16, u32

_IDS = st.lists(u16, max_size=5)
_RAW_TYPES = u16.filter(lambda number: number not in set(ContextType) - {ContextType.RDMA_TRANSFORM_CAPABILITIES})


create_contexts = st.lists(st.builds(CreateContext, st.binary(min_size=1, max_size=20), blobs), max_size=4)

negotiate_contexts = st.lists(
    st.builds(PreauthIntegrityCapabilities, _IDS, blobs)
    | st.builds(EncryptionCapabilities, _IDS)
    | st.builds(CompressionCapabilities, _IDS, u32)
    | st.builds(NetnameNegotiateContext, names)
    | st.builds(TransportCapabilities, u32)
    | st.builds(SigningCapabilities, _IDS)
    | st.builds(PosixExtensionsAvailable, st.lists(st.binary(min_size=16, max_size=16), max_size=3))
    | st.builds(RawContext, _RAW_TYPES, blobs),
    max_size=5,
)
