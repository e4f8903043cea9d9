"""Every error this project raises on purpose, under one root.

    TamsDataError
     ├── InvalidInput               a value breaks a rule; `field` and `value` say which
     │    ├── InvalidTimestamp      not a TAMS timestamp, or outside int64 nanoseconds
     │    ├── InvalidTimeRange      not a TAMS time range, or outside int64 nanoseconds
     │    ├── InvalidPageToken      a page token this service did not issue
     │    ├── UnknownStorageBackend no storage backend has this id
     │    ├── SegmentOverlap        the segment shares media time with another of its flow
     │    ├── DestinationRefused    the service sends no requests to where the URL leads
     │    ├── NotPlayable           a browser cannot play the flow, or not from the objects it has
     │    ├── InvalidBackup         a backup is not whole, or not what was written
     │    └── ObjectConflict        the object cannot be used in the way the request asks
     ├── NotFound
     │    ├── SourceNotFound
     │    ├── FlowNotFound
     │    ├── AnalysisNotFound
     │    ├── ObjectNotFound
     │    ├── ProfileNotFound
     │    ├── WebhookNotFound
     │    ├── DeletionRequestNotFound
     │    ├── TableNotFound
     │    └── PropertyNotFound      the resource is there, the property or tag is not set
     ├── AlreadyExists              what is to be created is there
     ├── VersionMismatch            the resource is not in the state the request is meant for
     ├── Unauthenticated            who sends a request is not known
     ├── Forbidden
     │    ├── FlowReadOnly          the flow is read-only
     │    ├── NotPermitted          the caller is known, and may not do this
     │    └── UrlRefused            a media URL is expired, forged, or for another method or object
     ├── StoreUnavailable           the database or the media store cannot serve now
     │    ├── DatabaseLocked        another process holds the database file
     │    ├── TransactionConflict   another writer changed the same rows; try again
     │    ├── CommitUnconfirmed     the database did not say whether it committed
     │    ├── TooManyListeners      as many follow the events as may
     │    ├── TooManyBodies         as many requests are on their way in as may
     │    ├── AnalyticsUnavailable  the engine that analyses run on did not answer
     │    ├── BackupFailed          a backup cannot be written where it is to be
     │    └── MediaStoreFailed      the media store could not do what was asked
     ├── TooManyRequests            a caller sends more than is taken; try again later
     ├── SchemaMismatch             the store was written by an unknown or newer schema version
     ├── InvalidSetting             a setting cannot be used
     ├── UploadBroken               an upload ended before all its bytes had come
     ├── UnreadableMedia            a file or playlist cannot be read as media
     ├── FetchFailed                an object cannot be fetched from a URL outside
     └── RequestFailed              a TAMS service answered a client with an error

HTTP statuses are the affair of `api`, in one table there.
"""

from __future__ import annotations


class TamsDataError(Exception):
    """The root: catches everything this project raises on purpose."""


class InvalidInput(TamsDataError, ValueError):
    """A value breaks a rule of the store or of the specification.

    `field` names the parameter or the path of the property (`essence_parameters.frame_rate`), and `value` is
    what was given, for a message that a client's author can act on.
    """

    def __init__(self, message: str, *, field: str | None = None, value: object = None) -> None:
        super().__init__(message)
        self.field = field
        self.value = value


class InvalidTimestamp(InvalidInput):
    """The text is not a TAMS timestamp, or it lies outside int64 nanoseconds."""


class InvalidTimeRange(InvalidInput):
    """The text is not a TAMS time range, or it lies outside int64 nanoseconds."""


class InvalidPageToken(InvalidInput):
    """The page token was not issued by this service for this list."""


class UnknownStorageBackend(InvalidInput):
    """No storage backend of this service has the id."""


class SegmentOverlap(InvalidInput):
    """The segment shares media time with another segment of its flow."""


class ObjectConflict(InvalidInput):
    """The object exists already, is meant for another flow, or differs from what the request says of it."""


class DestinationRefused(InvalidInput):
    """The URL leads into the network around the service, where it sends no requests of its own."""


class InvalidBackup(InvalidInput):
    """A folder is no backup, or it is not whole, or a file of it is not what was written."""


class NotPlayable(InvalidInput):
    """A browser cannot play the flow: its codec, or the size of its objects, is in the way."""


class NotFound(TamsDataError, LookupError):
    """What the request names does not exist."""


class SourceNotFound(NotFound):
    """No source has this id."""


class FlowNotFound(NotFound):
    """No flow has this id."""


class AnalysisNotFound(NotFound):
    """No analysis has this name."""


class ObjectNotFound(NotFound):
    """No registered object has this id, or its bytes are not in the media store."""


class ProfileNotFound(NotFound):
    """No profile has this id."""


class WebhookNotFound(NotFound):
    """No webhook has this id."""


class TableNotFound(NotFound):
    """The store has no table of this name, or none that may be read."""


class PropertyNotFound(NotFound):
    """The source or flow has not the property, or the tag, that the request names."""


class AlreadyExists(TamsDataError):
    """What the request would create exists: creating is not replacing."""


class VersionMismatch(TamsDataError):
    """The resource is not, or no longer, in the state that the request is meant for."""


class DeletionRequestNotFound(NotFound):
    """No deletion request has this id, or it ended long ago."""


class Unauthenticated(TamsDataError):
    """The request needs credentials and has none, or has some that are not good, or not any more."""


class Forbidden(TamsDataError):
    """The request is understood and refused."""


class FlowReadOnly(Forbidden):
    """The flow is read-only: only the change that lifts this is accepted."""


class NotPermitted(Forbidden):
    """The caller is known, and lacks the scope or the auth class that this takes."""


class UrlRefused(Forbidden):
    """The media URL is expired, forged, or made for another method or object."""


class StoreUnavailable(TamsDataError):
    """The database or the media store cannot serve the request now; trying again later may help."""


class DatabaseLocked(StoreUnavailable):
    """Another process holds the database file."""


class TransactionConflict(StoreUnavailable):
    """Another writer changed the same rows first; the transaction was rolled back and may be tried again."""


class CommitUnconfirmed(StoreUnavailable):
    """The answer to a commit was lost: what the transaction wrote may be there or not."""


class TooManyListeners(StoreUnavailable):
    """As many follow the events live as may at once."""


class TooManyBodies(StoreUnavailable):
    """As many clients send bodies at once as may."""


class AnalyticsUnavailable(StoreUnavailable):
    """The engine that analyses run on cannot be reached, lacks a table, or cannot run the query."""


class BackupFailed(StoreUnavailable):
    """A backup cannot be written where it is to be."""


class MediaStoreFailed(StoreUnavailable):
    """The media store could not read or write what was asked."""


class TooManyRequests(TamsDataError):
    """A caller sends more requests than are taken; `retry_after_s` says when the next one will be."""

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SchemaMismatch(TamsDataError):
    """The store was written with a schema version this software does not know."""


class InvalidSetting(TamsDataError, ValueError):
    """A setting has a value that cannot be used."""


class UploadBroken(TamsDataError):
    """An upload ended before all the bytes it announced had come."""


class UnreadableMedia(TamsDataError, ValueError):
    """A file or a playlist cannot be read as media, from the place the message names."""


class FetchFailed(TamsDataError):
    """The bytes of an object cannot be fetched from the URL a client named."""


class RequestFailed(TamsDataError):
    """A TAMS service answered a client's request with an error, or did not answer."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
