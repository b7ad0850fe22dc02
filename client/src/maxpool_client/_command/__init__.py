"""The command `maxpool`: classify, inspect, replay, models, health, bench, completion."""

import os
import sys
from collections.abc import Sequence

from maxpool_client._client import Client
from maxpool_client._command.arguments import parse_args
from maxpool_client._errors import InvalidInput, MaxpoolError, Unauthorized, UnknownModel

ANSWERED, FAILED, USAGE, NO_SERVICE = range(4)  # exit statuses


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        status: int
        if args.needs_service:
            with Client(args.url, api_key=args.api_key, timeout=args.timeout) as client:
                status = args.run(client, args)
        else:
            status = args.run(args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `maxpool … | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ANSWERED
    except KeyboardInterrupt:
        return 130  # as a shell says of SIGINT
    except (InvalidInput, UnknownModel, Unauthorized, OSError, ValueError) as error:
        print(f"maxpool: {error}", file=sys.stderr)
        return USAGE
    except MaxpoolError as error:
        print(f"maxpool: {error}", file=sys.stderr)
        return NO_SERVICE
