import type { ReactNode } from 'react'

const icon = (children: ReactNode) =>
  function Icon() {
    return (
      <svg className="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        {children}
      </svg>
    )
  }

export const FleetIcon = icon(<path d="M2 2h5v5H2zM9 2h5v5H9zM2 9h5v5H2zM9 9h5v5H9z" />)
export const HiveIcon = icon(
  <path d="M8 1.3 13.8 4.65v6.7L8 14.7l-5.8-3.35v-6.7zM8 5.2 5.6 6.6v2.8L8 10.8l2.4-1.4V6.6z" />,
)
export const ModelIcon = icon(<path d="M8 1.5 14.5 5 8 8.5 1.5 5zM1.5 8 8 11.5 14.5 8M1.5 11 8 14.5 14.5 11" />)
export const FindIcon = icon(
  <path d="M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 0v3M8 13v3M0 8h3M13 8h3" />,
)
export const ActivityIcon = icon(<path d="M1 8.5h3l2-5.5 3.5 10 2.2-4.5H15" />)
export const ServerIcon = icon(<path d="M2 2.5h12v4H2zM2 9.5h12v4H2zM4.5 4.5h.01M4.5 11.5h.01" />)
export const PauseIcon = icon(<path d="M5 3v10M11 3v10" />)
export const PlayIcon = icon(<path d="M4.5 2.5v11l9-5.5z" />)
export const SearchIcon = icon(<path d="M7 2a5 5 0 1 0 0 10A5 5 0 0 0 7 2M10.7 10.7 14.5 14.5" />)
export const CloseIcon = icon(<path d="m3.5 3.5 9 9M12.5 3.5l-9 9" />)
export const CopyIcon = icon(<path d="M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z" />)
export const LinkIcon = icon(<path d="M6 3H3v10h10v-3M9 2.5h4.5V7M13.5 2.5 7.5 8.5" />)
export const DownIcon = icon(<path d="m4 6 4 4 4-4" />)
export const SunIcon = icon(
  <path d="M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 .8v2M8 13.2v2M.8 8h2M13.2 8h2M2.9 2.9l1.4 1.4M11.7 11.7l1.4 1.4M13.1 2.9l-1.4 1.4M4.3 11.7l-1.4 1.4" />,
)
export const MoonIcon = icon(<path d="M13.5 9.8A6 6 0 0 1 6.2 2.5a6 6 0 1 0 7.3 7.3z" />)
export const SystemIcon = icon(<path d="M1.5 2.5h13v8.5h-13zM5.5 14h5M8 11v3" />)
export const CodeIcon = icon(<path d="m5 4-4 4 4 4M11 4l4 4-4 4" />)
export const ColumnsIcon = icon(<path d="M2 2.5h12v11H2zM6 2.5v11M10 2.5v11" />)
